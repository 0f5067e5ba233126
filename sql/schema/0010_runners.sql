-- What goes on in a home, each run, work and scan --watch with a row until its end, so that whoever reads can say whether
-- anybody works. A killed one leaves its row: /proc says that it is dead, and the next supervisor removes it.
CREATE TABLE runners (
    token         TEXT PRIMARY KEY,        -- of its lock file
    command       TEXT NOT NULL CHECK (command IN ('run', 'work', 'scan')),
    pid           INTEGER NOT NULL,
    process_start INTEGER NOT NULL,        -- in clock ticks after the boot
    boot_id       TEXT NOT NULL,
    started_at    REAL NOT NULL,
    workers       INTEGER NOT NULL CHECK (workers >= 0),   -- how many it keeps alive
    -- How many of its workers and scanners have died, one soon after the other; the newest death in words.
    deaths        INTEGER NOT NULL DEFAULT 0 CHECK (deaths >= 0),
    dying_since   REAL,
    died_at       REAL,
    death         TEXT,
    CHECK ((deaths = 0) = (dying_since IS NULL) AND (deaths = 0) = (died_at IS NULL) AND (deaths = 0) = (death IS NULL))
) STRICT, WITHOUT ROWID;
