-- What a job fails as is its verdict, instead of a flag and a text: a package that somebody cancelled is told from one
-- that failed by itself. A CHECK cannot be changed in place, so both tables are made again.

CREATE TABLE new_jobs (
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
    -- What it fails as. While it is queued or running, this is decided, and the move to failed/ is to come.
    verdict       TEXT CHECK (verdict IN ('failed', 'rejected', 'crashed', 'cancelled')),
    not_before_at REAL,
    error         TEXT,                    -- of the newest attempt that did not end well
    failed_name   BLOB,                    -- the package's folder in failed/
    error_name    TEXT,                    -- the file in it that is ours
    created_at    REAL NOT NULL,
    finished_at   REAL,
    left_in_inbox TEXT CHECK (left_in_inbox IS NULL OR state = 'failed'),
    CHECK ((state = 'running') = (worker_id IS NOT NULL)),
    CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL)),
    CHECK (state = 'queued' OR (attempt > 0 AND not_before_at IS NULL)),
    CHECK (verdict IS NULL OR (state <> 'done' AND error IS NOT NULL)),
    CHECK (state <> 'failed' OR verdict IS NOT NULL),
    CHECK (state <> 'done' OR (error IS NULL AND failed_name IS NULL)),
    CHECK ((failed_name IS NULL) = (error_name IS NULL))
) STRICT;

-- Until now, what had been cancelled was told by its error. Else the newest attempt that could fail a job says how.
INSERT INTO new_jobs
SELECT
    id, name, state, position, attempt, worker_id, failures, delays, crashes, interruptions,
    CASE
        WHEN state <> 'failed' AND NOT condemned THEN NULL
        WHEN error = 'cancelled' THEN 'cancelled'
        ELSE coalesce((
            SELECT outcome FROM attempts
            WHERE job_id = jobs.id AND outcome IN ('failed', 'rejected', 'crashed') ORDER BY number DESC LIMIT 1
        ), 'failed')
    END,
    not_before_at, error, failed_name, error_name, created_at, finished_at, left_in_inbox
FROM jobs;

CREATE TABLE new_attempts (
    job_id            INTEGER NOT NULL REFERENCES new_jobs (id),
    number            INTEGER NOT NULL CHECK (number > 0),
    worker_id         INTEGER NOT NULL REFERENCES workers (id),
    started_at        REAL NOT NULL,
    ended_at          REAL,
    outcome           TEXT CHECK (
        outcome IN ('done', 'failed', 'rejected', 'later', 'fault', 'crashed', 'interrupted', 'cancelled')
    ),
    error             TEXT,
    is_final          INTEGER NOT NULL DEFAULT 0 CHECK (is_final IN (0, 1)),  -- it ended the job as failed
    extract_seconds   REAL CHECK (extract_seconds >= 0),
    handle_seconds    REAL CHECK (handle_seconds >= 0),
    archive_seconds   REAL CHECK (archive_seconds >= 0),
    encoding          TEXT,                -- how the names in the zip were read
    steady_started_at REAL,                -- on the steady clock
    PRIMARY KEY (job_id, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((error IS NULL) = (outcome IS NULL OR outcome = 'done'))
) STRICT, WITHOUT ROWID;

INSERT INTO new_attempts
SELECT
    job_id, number, worker_id, started_at, ended_at, outcome, error, is_final,
    extract_seconds, handle_seconds, archive_seconds, encoding, steady_started_at
FROM attempts;

-- Ids that are kept from being given out stay so, though no job has them.
DELETE FROM sqlite_sequence WHERE name = 'new_jobs';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_jobs', seq FROM sqlite_sequence WHERE name = 'jobs';

DROP TABLE attempts;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
ALTER TABLE new_attempts RENAME TO attempts;

CREATE INDEX jobs_ready ON jobs (position, id) WHERE state = 'queued' AND not_before_at IS NULL;
CREATE INDEX jobs_waiting ON jobs (not_before_at) WHERE state = 'queued' AND not_before_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (worker_id) WHERE state = 'running';
CREATE INDEX jobs_failed ON jobs (finished_at) WHERE state = 'failed';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done';
CREATE INDEX attempts_final ON attempts (worker_id) WHERE is_final;
