-- name: start
INSERT INTO attempts (job_id, number, worker_id, started_at) VALUES (:job_id, :number, :worker_id, :now);

-- name: end
-- An attempt ends once: what came first stands.
UPDATE attempts SET
    ended_at = :now, outcome = :outcome, error = :error,
    extract_seconds = :extract_seconds, handle_seconds = :handle_seconds, archive_seconds = :archive_seconds,
    encoding = :encoding
WHERE job_id = :job_id AND number = :number AND ended_at IS NULL;

-- name: of_job
SELECT attempts.*, workers.pid AS worker_pid
FROM attempts JOIN workers ON workers.id = attempts.worker_id
WHERE job_id = :job_id
ORDER BY number;

-- name: failed_under
-- Did a job end failed under this supervisor? Its newest attempt says by whom.
SELECT EXISTS (
    SELECT 1 FROM jobs
    JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
    JOIN workers ON workers.id = attempts.worker_id
    WHERE jobs.state = 'failed' AND workers.supervisor = :supervisor
) AS failed;
