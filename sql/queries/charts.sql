-- name: jobs_by_minute
-- What has ended since a time. The indices jobs_done and jobs_failed have these in order.
SELECT CAST((finished_at - :since) / :seconds AS INTEGER) AS slot, count(*) AS done, 0 AS failed
FROM jobs WHERE state = 'done' AND finished_at >= :since AND finished_at < :until GROUP BY slot
UNION ALL
SELECT CAST((finished_at - :since) / :seconds AS INTEGER) AS slot, 0, sum(verdict <> 'cancelled')
FROM jobs WHERE state = 'failed' AND finished_at >= :since AND finished_at < :until GROUP BY slot;

-- name: lengths
-- How long the last of those took that were done in a time, by the attempt that did it.
SELECT max(finished_at - started_at, 0.0)
FROM (
    SELECT id, attempt, finished_at FROM jobs
    WHERE state = 'done' AND finished_at >= :since AND finished_at < :until ORDER BY finished_at DESC LIMIT :most
) AS last CROSS JOIN attempts ON job_id = last.id AND number = last.attempt;

-- name: outcomes_by_hour
SELECT (hour_at - :since) / :seconds AS slot,
    sum(iif(outcome = 'done', jobs, 0)) AS done,
    sum(iif(outcome IN ('failed', 'rejected', 'crashed'), jobs, 0)) AS failed
FROM outcome_totals WHERE hour_at >= :since AND hour_at < :until GROUP BY slot;

-- name: lengths_by_hour
SELECT (hour_at - :since) / :seconds AS slot, at_most, sum(count) AS count
FROM duration_totals WHERE hour_at >= :since AND hour_at < :until AND step = 'whole' GROUP BY slot, at_most;
