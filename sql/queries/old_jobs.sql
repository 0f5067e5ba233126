-- name: after
-- Some of the jobs that were done before a time, in the order in which they were, from behind a place in it: the index
-- jobs_done has it. Of each, what there may still be of it that is old; the marks say it without a look at the logs.
SELECT
    id, name, attempt, finished_at,
    CASE
        WHEN finished_at >= :attempts_before OR attempts_pruned_at >= finished_at THEN 0
        ELSE (SELECT count(*) FROM attempts WHERE job_id = jobs.id)
    END AS attempts,
    finished_at < :logs_before AND (logs_pruned_at IS NULL OR logs_pruned_at < finished_at) AS may_have_logs
FROM jobs
WHERE state = 'done' AND finished_at < max(:attempts_before, :logs_before) AND (finished_at, id) > (:finished_at, :id)
ORDER BY finished_at, id LIMIT :most;

-- name: mark
-- Fenced: a job that was to be done again has a history that is not old.
UPDATE jobs SET
    attempts_pruned_at = iif(:attempts, :now, attempts_pruned_at), logs_pruned_at = iif(:logs, :now, logs_pruned_at)
WHERE id = :id AND state = 'done' AND finished_at = :finished_at;

-- name: forget_attempts
DELETE FROM attempts WHERE job_id = :id;

-- name: forget_changes
DELETE FROM changed_jobs WHERE job_id = :id;

-- name: pruned_at
SELECT attempts_pruned_at AS attempts, logs_pruned_at AS logs FROM jobs WHERE id = :id;
