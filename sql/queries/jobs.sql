-- fragments of: pauses

-- fragment: job
-- What rows.py makes a Job of.
jobs.id, name, state, attempt, jobs.worker_id, failures, delays, crashes, interruptions, verdict, not_before_at,
jobs.error, failed_name, error_name, created_at, finished_at, package, revision, source

-- fragment: is_ready
-- It can be claimed. The index jobs_ready has exactly these.
state = 'queued' AND not_before_at IS NULL

-- fragment: is_waiting
-- It waits for its next try. The index jobs_waiting has exactly these.
state = 'queued' AND not_before_at IS NOT NULL

-- fragment: is_due
-- Of one that waits: it has waited long enough, or would wait longer than any backoff, because the machine has booted
-- with its clock set back.
(not_before_at <= :now OR not_before_at > :horizon)

-- fragment: same_likeness
-- The first job whose name a person may take for this one. (min(id) would be six times as slow.)
(SELECT id FROM jobs WHERE likeness = :likeness LIMIT 1)

-- name: enqueue
-- A new name goes behind all that are known. A known one is left alone: a second scanner may have been first.
INSERT INTO jobs (name, position, created_at, likeness, looks_like)
VALUES (:name, (SELECT coalesce(max(id), 0) + 1 FROM jobs), :now, :likeness, {same_likeness})
ON CONFLICT (name) DO NOTHING;

-- name: end_waits
UPDATE jobs SET not_before_at = NULL WHERE {is_waiting} AND {is_due};

-- name: claim
-- Choosing and marking is one statement: no two workers get the same row. The index jobs_ready keeps it flat. Once a
-- pause is committed, nobody gets any.
UPDATE jobs SET state = 'running', worker_id = :worker_id, attempt = attempt + 1
WHERE id = (
    SELECT id FROM jobs WHERE {is_ready} ORDER BY position, id LIMIT 1
) AND NOT {is_paused}
RETURNING {job};

-- name: claim_cancelled
-- A cancel of a queued job claims it, whether it waits or not, and in a pause, too: all that is left to do is the move
-- to failed/.
UPDATE jobs SET
    state = 'running', worker_id = :worker_id, attempt = attempt + 1, not_before_at = NULL,
    verdict = 'cancelled', error = 'cancelled'
WHERE id = :id AND state = 'queued'
RETURNING {job};

-- name: cancel
-- A running job: whoever claims it next moves it to failed/.
UPDATE jobs SET verdict = 'cancelled', error = 'cancelled'
WHERE id = :id AND state = 'running' AND attempt = :attempt AND worker_id = :worker_id;

-- name: is_claimed
SELECT 1 FROM jobs WHERE id = :id AND attempt = :attempt AND worker_id = :worker_id;

-- name: complete
-- Fenced, like each finish below: job, attempt and worker must still belong together. A handler that had succeeded
-- before its job was cancelled has won.
UPDATE jobs SET
    state = 'done', worker_id = NULL, verdict = NULL, finished_at = :now, error = NULL, failed_name = NULL,
    error_name = NULL
WHERE id = :id AND state = 'running' AND attempt = :attempt AND worker_id = :worker_id;

-- name: condemn
-- The failure is decided, and where the package will lie: whoever finishes it finds it by this row, moved or not.
UPDATE jobs SET
    verdict = :verdict, error = :error, failed_name = :failed_name, error_name = :error_name,
    failures = :failures, delays = :delays, crashes = :crashes, interruptions = :interruptions
WHERE id = :id AND state = 'running' AND attempt = :attempt AND worker_id = :worker_id;

-- name: fail
UPDATE jobs SET
    state = 'failed', worker_id = NULL, verdict = coalesce(verdict, :outcome), finished_at = :now, error = :error,
    failed_name = :failed_name, error_name = :error_name, left_in_inbox = :left_in_inbox
WHERE id = :id AND state = 'running' AND attempt = :attempt AND worker_id = :worker_id;

-- name: requeue
-- Not at its end: after a failure, a delay, a crash or an interruption. A job whose failure a crash decided comes back
-- condemned, and the next worker moves its package. Why it was condemned stays its error.
UPDATE jobs SET
    state = 'queued', queued_at = :now, worker_id = NULL, not_before_at = :not_before_at,
    error = CASE WHEN verdict IS NULL THEN :error ELSE error END,
    failures = :failures, delays = :delays, crashes = :crashes, interruptions = :interruptions,
    verdict = coalesce(verdict, :verdict),
    position = CASE WHEN :to_back THEN (SELECT max(id) + 1 FROM jobs) ELSE position END
WHERE id = :id AND state = 'running' AND attempt = :attempt AND worker_id = :worker_id;

-- name: retry
-- New budgets, behind all others. The package stays in failed/ until a worker takes it from there.
UPDATE jobs SET
    state = 'queued', queued_at = :now, verdict = NULL, finished_at = NULL, left_in_inbox = NULL,
    position = (SELECT max(id) + 1 FROM jobs),
    failures = 0, delays = 0, crashes = 0, interruptions = 0
WHERE id = :id AND state = 'failed';

-- name: foremost
-- The first place of all that may be claimed, now or later: what is claimed next stands before it.
SELECT min(position) AS position FROM (
    SELECT position FROM (SELECT position FROM jobs WHERE {is_ready} ORDER BY position, id LIMIT 1)
    UNION ALL SELECT position FROM jobs WHERE {is_waiting}
    UNION ALL SELECT position FROM jobs WHERE state = 'running'
);

-- name: front
-- To a place of its own; what waits for another try is due at once.
UPDATE jobs SET position = :position, not_before_at = NULL WHERE id = :id AND state = 'queued';

-- name: replace
-- A new delivery of a failed package: what lies in failed/ has been put aside and is not this job's any more.
UPDATE jobs SET
    state = 'queued', queued_at = :now, verdict = NULL, finished_at = NULL, left_in_inbox = NULL,
    position = (SELECT max(id) + 1 FROM jobs), error = NULL,
    failures = 0, delays = 0, crashes = 0, interruptions = 0, failed_name = NULL, error_name = NULL
WHERE id = :id AND state = 'failed';

-- name: by_name
-- A package of this name goes before a revision that is called so.
SELECT {job} FROM jobs WHERE id = coalesce(
    (SELECT id FROM jobs WHERE package = :name AND revision = 1), (SELECT id FROM jobs WHERE name = :name)
);

-- name: by_id
SELECT {job} FROM jobs WHERE id = :id;

-- name: untried_names
-- Nearly all that lies in the inbox, told much faster than by asking for each; as one value (there is no slash in a name)
-- in half the time of a row each. What no attempt has been made at does not wait, so jobs_ready leads to it. What is made
-- out of the archive lies nowhere else.
SELECT CAST(group_concat(coalesce(package, name), '/') AS BLOB) AS names
FROM jobs WHERE {is_ready} AND attempt = 0 AND source IS NULL;

-- name: known
-- A batch of packages in one round trip, as JSON of hexadecimal text. What was delivered once more, and accepted, goes
-- before the first delivery while it is under way.
SELECT id, name, state, failed_name IS NOT NULL AS lies_in_failed, left_in_inbox, revision
FROM jobs WHERE package IS NULL AND name IN (SELECT unhex(value) FROM json_each(:names))
UNION ALL
SELECT id, package, state, failed_name IS NOT NULL, left_in_inbox, revision
FROM jobs
WHERE package IN (SELECT unhex(value) FROM json_each(:names))
    AND source IS NULL AND (revision = 1 OR state IN ('queued', 'running'))
ORDER BY revision;

-- name: held_by
SELECT {job} FROM jobs WHERE state = 'running' AND worker_id = :worker_id;

-- name: running
SELECT
    {job},
    workers.pid AS worker_pid, attempts.started_at AS attempt_started_at, attempts.steady_started_at
FROM jobs
JOIN workers ON workers.id = jobs.worker_id
JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
WHERE state = 'running'
ORDER BY attempts.started_at, jobs.id;

-- name: oldest
-- The job that has been in the queue for the longest. Jobs stand there in the order in which they came, but for those
-- that were interrupted: they keep their place in front, though they are in the queue again only since then.
SELECT {job}, coalesce(queued_at, jobs.created_at) AS since
FROM (SELECT id AS first FROM jobs WHERE {is_ready} ORDER BY position, id LIMIT 1000) JOIN jobs ON jobs.id = first
ORDER BY since, position, jobs.id LIMIT 1;

-- name: ahead
-- How many are claimed before one: jobs_ready has them in their order. Few wait though they are due.
SELECT
    (SELECT count(*) FROM jobs WHERE {is_ready} AND position < this.position)
    + (SELECT count(*) FROM jobs WHERE {is_ready} AND position = this.position AND id < this.id)
    + (SELECT count(*) FROM jobs WHERE {is_waiting} AND not_before_at <= :now AND position < this.position) AS ahead
FROM jobs AS this WHERE this.id = :id;

-- name: near
-- Names that may be meant by one that is not known: each branch reads a few rows of an index.
SELECT name FROM jobs WHERE likeness = :likeness
UNION SELECT name FROM (SELECT name FROM jobs WHERE name < :name ORDER BY name DESC LIMIT :most)
UNION SELECT name FROM (SELECT name FROM jobs WHERE name > :name ORDER BY name LIMIT :most)
UNION SELECT name FROM (SELECT name FROM jobs ORDER BY id DESC LIMIT :most);

-- name: lookalikes
SELECT jobs.name, others.name AS other FROM jobs JOIN jobs AS others ON others.id = jobs.looks_like
WHERE jobs.looks_like IS NOT NULL AND jobs.created_at > :since
ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT :most;

-- name: waiting
SELECT {job} FROM jobs WHERE {is_waiting} ORDER BY not_before_at LIMIT :most;

-- name: failed
SELECT {job} FROM jobs WHERE state = 'failed' ORDER BY finished_at DESC, id DESC LIMIT :most;

-- name: counts
-- A scalar each, on its own partial index. Of those that are done, the last ones: to count a million takes 20 ms.
SELECT
    (SELECT count(*) FROM jobs WHERE {is_ready})
    + (SELECT count(*) FROM jobs WHERE {is_waiting} AND {is_due}) AS queued,
    (SELECT count(*) FROM jobs WHERE {is_waiting} AND NOT {is_due}) AS waiting,
    (SELECT count(*) FROM jobs WHERE state = 'running') AS running,
    (SELECT count(*) FROM jobs WHERE state = 'done' AND finished_at > :done_after) AS done,
    (SELECT count(*) FROM jobs WHERE state = 'failed') AS failed;

-- name: done_until
SELECT count(*) AS done FROM jobs WHERE state = 'done' AND finished_at <= :done_after;

-- name: pending_counts
-- The same without those that are done: to count a million of these takes 20 ms, and this is asked every few seconds.
SELECT
    (SELECT count(*) FROM jobs WHERE {is_ready})
    + (SELECT count(*) FROM jobs WHERE {is_waiting} AND {is_due}) AS queued,
    (SELECT count(*) FROM jobs WHERE {is_waiting} AND NOT {is_due}) AS waiting,
    (SELECT count(*) FROM jobs WHERE state = 'running') AS running,
    (SELECT count(*) FROM jobs WHERE state = 'failed') AS failed;

-- name: pending
-- Is anything queued, waiting or running that will end? A pause without an end holds what is not running. Read without
-- the writers' lock.
SELECT
    EXISTS (SELECT 1 FROM jobs WHERE state = 'running')
    OR NOT {is_paused_for_good} AND (
        EXISTS (SELECT 1 FROM jobs WHERE {is_ready}) OR EXISTS (SELECT 1 FROM jobs WHERE {is_waiting})
    ) AS pending;

-- name: ready
-- Is there something to claim? An idle worker asks this often, so it reads only.
SELECT
    NOT {is_paused} AND (
        EXISTS (SELECT 1 FROM jobs WHERE {is_ready})
        OR EXISTS (SELECT 1 FROM jobs WHERE {is_waiting} AND {is_due})
    ) AS ready;

-- name: next_due
-- When nothing is ready: what an idle worker has to be awake for, though nobody wakes it.
SELECT
    (SELECT min(not_before_at) FROM jobs WHERE {is_waiting} AND NOT {is_paused}) AS due_at,
    (SELECT ends_at FROM pauses WHERE ends_at > :wall) AS resumes_at;

-- name: done_between
-- Nothing is done in the future, unless the clock was set back since.
SELECT count(*) AS done FROM jobs WHERE state = 'done' AND finished_at BETWEEN :since AND :now;

-- name: failed_between
SELECT count(*) AS failed FROM jobs WHERE state = 'failed' AND finished_at BETWEEN :since AND :now;

-- name: not_done
SELECT {job} FROM jobs WHERE state <> 'done';

-- name: done_names
SELECT name FROM jobs WHERE state = 'done';
