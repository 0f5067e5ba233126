-- What has ended, by the hour (UTC). These numbers only grow: what is pruned is still counted here.

CREATE TABLE outcome_totals (
    hour_at  INTEGER NOT NULL CHECK (hour_at % 3600 = 0),   -- when the hour began
    outcome  TEXT NOT NULL CHECK (
        outcome IN ('done', 'failed', 'rejected', 'later', 'fault', 'crashed', 'interrupted', 'cancelled')
    ),
    attempts INTEGER NOT NULL CHECK (attempts > 0),
    jobs     INTEGER NOT NULL CHECK (jobs BETWEEN 0 AND attempts),   -- of these attempts, those that ended their job
    PRIMARY KEY (hour_at, outcome)
) STRICT, WITHOUT ROWID;

-- How long the steps of attempts took. `whole` is from the claim of a package until it was done.
CREATE TABLE duration_totals (
    hour_at INTEGER NOT NULL CHECK (hour_at % 3600 = 0),
    step    TEXT NOT NULL CHECK (step IN ('extract', 'handle', 'archive', 'whole')),
    at_most REAL NOT NULL,                 -- seconds; of the bounds in the statement below the least that is not exceeded
    count   INTEGER NOT NULL CHECK (count > 0),
    seconds REAL NOT NULL CHECK (seconds >= 0),   -- of all of them together
    PRIMARY KEY (hour_at, step, at_most)
) STRICT, WITHOUT ROWID;

-- When the attempts at a job, and its logs, were removed because they were old. A job that ends again later may have
-- new ones.
ALTER TABLE jobs ADD COLUMN attempts_pruned_at REAL;
ALTER TABLE jobs ADD COLUMN logs_pruned_at REAL;

-- What has ended before this version.
INSERT INTO outcome_totals (hour_at, outcome, attempts, jobs)
SELECT CAST(ended_at / 3600 AS INTEGER) * 3600 AS hour, outcome, count(*), sum(is_final OR outcome = 'done')
FROM attempts WHERE ended_at IS NOT NULL GROUP BY hour, outcome;

WITH
    bounds (at_most) AS (
        VALUES
            (0.001), (0.003), (0.01), (0.03), (0.1), (0.3), (1.0), (3.0), (10.0), (30.0), (100.0), (300.0), (1000.0),
            (3000.0), (10000.0), (30000.0), (9e999)
    ),
    lengths (ended_at, step, seconds) AS (
        SELECT ended_at, 'extract', extract_seconds FROM attempts
        UNION ALL SELECT ended_at, 'handle', handle_seconds FROM attempts
        UNION ALL SELECT ended_at, 'archive', archive_seconds FROM attempts
        UNION ALL SELECT ended_at, 'whole', max(ended_at - started_at, 0.0) FROM attempts WHERE outcome = 'done'
    )
INSERT INTO duration_totals (hour_at, step, at_most, count, seconds)
SELECT
    CAST(ended_at / 3600 AS INTEGER) * 3600 AS hour, step,
    (SELECT min(at_most) FROM bounds WHERE seconds <= at_most) AS bucket, count(*), sum(seconds)
FROM lengths WHERE ended_at IS NOT NULL AND seconds IS NOT NULL GROUP BY hour, step, bucket;
