-- A database of jobrunner 0.1.0 (schema 1) with what a run left in it: never changed, so that each later version
-- is tried on it.

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

PRAGMA user_version = 1;

INSERT INTO workers VALUES (1, 'cfb9145077214702', 'c3b4f32e1668df78', 10590, 1795478061.428, NULL);

INSERT INTO jobs VALUES (1, x'676f6f64', 'done', 1, 1, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 1795478061.411, 1795478061.717);
INSERT INTO jobs VALUES (2, x'626164', 'failed', 2, 1, NULL, 0, 0, 0, 0, 0, NULL, 'the handler rejected the data (exit status 65)', x'626164', 'error.txt', 1795478061.411, 1795478061.877);
INSERT INTO jobs VALUES (3, x'6c61746572', 'queued', 3, 2, NULL, 0, 2, 0, 0, 0, 1795478099.208, 'the handler asked to be run later (exit status 75)', NULL, NULL, 1795478061.411, NULL);
INSERT INTO jobs VALUES (4, x'62b264', 'done', 4, 1, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 1795478061.411, 1795478062.154);
INSERT INTO jobs VALUES (5, x'6e6577', 'done', 5, 1, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 1795478065.431, 1795478065.61);
INSERT INTO jobs VALUES (6, x'72756e', 'running', 6, 1, 1, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 1795478066.25, NULL);

INSERT INTO attempts VALUES (1, 1, 1, 1795478061.43, 1795478061.717, 'done', NULL, 0, 0.001, 0.145, 0.137, 'ascii');
INSERT INTO attempts VALUES (2, 1, 1, 1795478061.717, 1795478061.877, 'rejected', 'the handler rejected the data (exit status 65)', 1, 0.0, 0.153, NULL, 'ascii');
INSERT INTO attempts VALUES (3, 1, 1, 1795478061.877, 1795478062.02, 'later', 'the handler asked to be run later (exit status 75)', 0, 0.0, 0.139, NULL, 'ascii');
INSERT INTO attempts VALUES (3, 2, 1, 1795478074.04, 1795478074.214, 'later', 'the handler asked to be run later (exit status 75)', 0, 0.0, 0.17, NULL, 'ascii');
INSERT INTO attempts VALUES (4, 1, 1, 1795478062.02, 1795478062.154, 'done', NULL, 0, 0.0, 0.13, 0.001, 'ascii');
INSERT INTO attempts VALUES (5, 1, 1, 1795478065.473, 1795478065.61, 'done', NULL, 0, 0.0, 0.134, 0.001, 'ascii');
INSERT INTO attempts VALUES (6, 1, 1, 1795478066.5, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL);
