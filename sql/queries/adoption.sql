-- Jobs for packages that were found without one, and what a damaged database still tells.

-- fragments of: jobs

-- name: adopt
-- A job for a package that was found without one. A known name or id is left alone, and so is what is no job: a damaged
-- database may say anything.
INSERT OR IGNORE INTO jobs (
    id, name, state, position, attempt, verdict, error, failed_name, error_name, created_at, finished_at,
    package, revision, source, likeness, looks_like
) VALUES (
    :id, :name, :state, (SELECT coalesce(max(id), 0) + 1 FROM jobs), :attempt,
    :verdict, :error, :failed_name, :error_name, :created_at, :finished_at,
    :package, :revision, :source, iif(:revision = 1, :likeness, NULL), iif(:revision = 1, {same_likeness}, NULL)
);

-- name: ended
-- It is asked of a damaged database, which no migration has brought up to date: all versions have these columns.
SELECT name, state, attempt, error, created_at, finished_at FROM jobs WHERE id = :id AND state IN ('done', 'failed');

-- name: identity
-- With that: newer versions have these columns.
SELECT package, revision, source FROM jobs WHERE id = :id;

-- name: last_id
-- The newest id that was given out, or kept from being so.
SELECT seq FROM sqlite_sequence WHERE name = 'jobs';

-- name: forget_ids
-- With the next statement: ids up to this one are never given out, because folders in work/ are named by them.
DELETE FROM sqlite_sequence WHERE name = 'jobs' AND seq < :last;

-- name: reserve_ids
INSERT INTO sqlite_sequence (name, seq)
SELECT 'jobs', :last WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'jobs');
