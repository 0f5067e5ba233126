-- So that this file is never taken for another program's, nor another's for ours: "jobr".
PRAGMA application_id = 1785684594;

-- Times are seconds since 1970 (UTC). Names are BLOBs: a folder on Linux may have a name that is not UTF-8.

-- A process that claims jobs. Its lock file, named by the token, says whether it lives; this row only says who it was.
CREATE TABLE workers (
    id         INTEGER PRIMARY KEY,
    token      TEXT NOT NULL UNIQUE,
    supervisor TEXT NOT NULL,              -- the token of the process that started it
    pid        INTEGER NOT NULL,
    started_at REAL NOT NULL,
    ended_at   REAL
) STRICT;

CREATE INDEX workers_not_ended ON workers (id) WHERE ended_at IS NULL;

-- One row for one package name, for ever: AUTOINCREMENT and no DELETE, so an id also says who came first.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          BLOB NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 251 AND instr(name, x'2f') = 0),
    state         TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    position      INTEGER NOT NULL,        -- place in the queue; equal ones by id
    attempt       INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    worker_id     INTEGER REFERENCES workers (id),
    failures      INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    delays        INTEGER NOT NULL DEFAULT 0 CHECK (delays >= 0),
    crashes       INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    interruptions INTEGER NOT NULL DEFAULT 0 CHECK (interruptions >= 0),
    condemned     INTEGER NOT NULL DEFAULT 0 CHECK (condemned IN (0, 1)),  -- failure decided, move to failed/ to come
    not_before_at REAL,
    error         TEXT,                    -- of the newest attempt that did not end well
    failed_name   BLOB,                    -- the package's folder in failed/
    error_name    TEXT,                    -- the file in it that is ours
    created_at    REAL NOT NULL,
    finished_at   REAL,
    CHECK ((state = 'running') = (worker_id IS NOT NULL)),
    CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL)),
    CHECK (state = 'queued' OR (attempt > 0 AND not_before_at IS NULL)),
    CHECK (condemned = 0 OR (state IN ('queued', 'running') AND error IS NOT NULL)),
    CHECK (state <> 'failed' OR error IS NOT NULL),
    CHECK (state <> 'done' OR (error IS NULL AND failed_name IS NULL)),
    CHECK ((failed_name IS NULL) = (error_name IS NULL))
) STRICT;

CREATE INDEX jobs_ready ON jobs (position, id) WHERE state = 'queued' AND not_before_at IS NULL;
CREATE INDEX jobs_waiting ON jobs (not_before_at) WHERE state = 'queued' AND not_before_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (worker_id) WHERE state = 'running';
CREATE INDEX jobs_failed ON jobs (finished_at) WHERE state = 'failed';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done';

-- One try at a job by one worker.
CREATE TABLE attempts (
    job_id          INTEGER NOT NULL REFERENCES jobs (id),
    number          INTEGER NOT NULL CHECK (number > 0),
    worker_id       INTEGER NOT NULL REFERENCES workers (id),
    started_at      REAL NOT NULL,
    ended_at        REAL,
    outcome         TEXT CHECK (
        outcome IN ('done', 'failed', 'rejected', 'later', 'fault', 'crashed', 'interrupted')
    ),
    error           TEXT,
    is_final        INTEGER NOT NULL DEFAULT 0 CHECK (is_final IN (0, 1)),  -- it ended the job as failed
    extract_seconds REAL CHECK (extract_seconds >= 0),
    handle_seconds  REAL CHECK (handle_seconds >= 0),
    archive_seconds REAL CHECK (archive_seconds >= 0),
    encoding        TEXT,                  -- how the names in the zip were read
    PRIMARY KEY (job_id, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((error IS NULL) = (outcome IS NULL OR outcome = 'done'))
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_final ON attempts (worker_id) WHERE is_final;
