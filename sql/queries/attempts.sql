-- name: start
INSERT INTO attempts (job_id, number, worker_id, started_at, steady_started_at)
VALUES (:job_id, :number, :worker_id, :now, :steady);

-- name: end
-- An attempt ends once: what came first stands.
UPDATE attempts SET
    ended_at = :now, outcome = :outcome, error = :error, is_final = :is_final,
    extract_seconds = :extract_seconds, handle_seconds = :handle_seconds, archive_seconds = :archive_seconds,
    encoding = :encoding, node = :node
WHERE job_id = :job_id AND number = :number AND ended_at IS NULL;

-- name: of_job
SELECT
    number, workers.pid AS worker_pid, attempts.started_at, attempts.ended_at, outcome, error,
    extract_seconds, handle_seconds, archive_seconds, encoding, is_final, node
FROM attempts JOIN workers ON workers.id = attempts.worker_id
WHERE job_id = :job_id
ORDER BY number;

-- name: failed_under
-- Did a worker of this supervisor end a job as failed, whatever has become of the job since?
SELECT EXISTS (
    SELECT 1 FROM workers JOIN attempts ON attempts.worker_id = workers.id
    WHERE workers.supervisor = :supervisor AND attempts.is_final
) AS failed;
