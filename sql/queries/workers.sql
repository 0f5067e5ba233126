-- fragment: worker
-- What workers.py makes a WorkerRecord of.
workers.id, token, supervisor, pid, process_start, boot_id, trouble

-- name: register
INSERT INTO workers (token, supervisor, pid, process_start, boot_id, started_at)
VALUES (:token, :supervisor, :pid, :start, :boot_id, :now) RETURNING id;

-- name: by_id
SELECT {worker} FROM workers WHERE id = :id;

-- name: end
UPDATE workers SET ended_at = :now WHERE id = :id AND ended_at IS NULL;

-- name: note_trouble
UPDATE workers SET trouble = :trouble WHERE token = :token;

-- name: not_ended
-- Who may have died: the kernel says of each whether it did.
SELECT {worker} FROM workers WHERE ended_at IS NULL ORDER BY id;

-- name: of_job
-- The workers that have had a job and have not ended: one may still be removing its work folder.
SELECT {worker} FROM workers JOIN attempts ON attempts.worker_id = workers.id
WHERE attempts.job_id = :job_id AND workers.ended_at IS NULL;
