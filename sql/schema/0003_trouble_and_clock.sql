-- Why a worker does not claim: what is wrong with the machine, in words. NULL while all is well.
ALTER TABLE workers ADD COLUMN trouble TEXT;

-- The steady clock counts from the boot; `base` is what makes seconds since 1970 of it, the same for all processes.
CREATE TABLE clock (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    boot_id TEXT NOT NULL,
    base    REAL NOT NULL
) STRICT;

-- `jobs.not_before_at` is a time on the steady clock, and so is this: how long an attempt has run does not jump.
ALTER TABLE attempts ADD COLUMN steady_started_at REAL;
