-- name: note_failure
-- In the transaction in which a package fails.
INSERT INTO unnoticed_failures (name, error, failed_at) VALUES (:name, :error, :now);

-- name: last_unnoticed
SELECT max(id) AS last FROM unnoticed_failures;

-- name: unnoticed
-- What is told of a revision names its package. The job may have been pruned meanwhile.
SELECT failures.id, failures.name, coalesce(jobs.package, failures.name) AS package, failures.error, failures.failed_at
FROM unnoticed_failures AS failures LEFT JOIN jobs ON jobs.name = failures.name
WHERE failures.id > :after AND failures.id <= :last ORDER BY failures.id LIMIT :most;

-- name: take_failures
-- As many as were read, or none: another notifier was faster.
DELETE FROM unnoticed_failures
WHERE id <= :last AND (SELECT count(*) FROM unnoticed_failures WHERE id <= :last) = :count;

-- name: add
INSERT INTO notices (channel, kind, document, created_at) VALUES (:channel, :kind, :document, :now);

-- name: first
-- The next of a channel: they go in their order, and what a failed try has put off holds the others up.
SELECT id, kind, document, tries, due_at FROM notices
WHERE channel = :channel AND given_up_at IS NULL ORDER BY id LIMIT 1;

-- name: claim
-- Fenced by the number of tries: one notifier gets it. It has it until :until, and if it dies it is due again then.
UPDATE notices SET due_at = :until, tries = tries + 1
WHERE id = :id AND tries = :tries AND given_up_at IS NULL;

-- name: delivered
DELETE FROM notices WHERE id = :id AND tries = :tries;

-- name: put_off
UPDATE notices SET due_at = :until, error = coalesce(:error, error) WHERE id = :id AND tries = :tries;

-- name: give_up
UPDATE notices SET given_up_at = :now, error = :error WHERE id = :id AND tries = :tries;

-- name: give_up_channel
-- Nobody sends by it any more.
UPDATE notices SET given_up_at = :now, error = :error WHERE channel = :channel AND given_up_at IS NULL;

-- name: begin_backlog
INSERT INTO backlogs (only, noticed_at) VALUES (1, :now) ON CONFLICT (only) DO NOTHING;

-- name: end_backlog
DELETE FROM backlogs;

-- name: backlog
SELECT noticed_at FROM backlogs;

-- name: is_any_old
SELECT
    EXISTS (SELECT 1 FROM notices WHERE given_up_at < :given_up_before OR created_at < :before)
    OR EXISTS (SELECT 1 FROM unnoticed_failures WHERE failed_at < :before) AS found;

-- name: forget
DELETE FROM notices WHERE given_up_at < :given_up_before OR created_at < :before;

-- name: forget_failures
DELETE FROM unnoticed_failures WHERE failed_at < :before;

-- name: waiting
-- With the error of what has been tried, if any: it is the first of its channel.
SELECT channel, count(*) AS total, min(created_at) AS since, max(error) AS error
FROM notices WHERE given_up_at IS NULL GROUP BY channel ORDER BY channel;

-- name: given_up
SELECT channel, kind, document, given_up_at, error FROM notices
WHERE given_up_at IS NOT NULL ORDER BY given_up_at DESC, id DESC LIMIT :most;

-- name: given_up_count
SELECT count(*) AS count FROM notices WHERE given_up_at IS NOT NULL;
