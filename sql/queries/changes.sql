-- name: begin
INSERT INTO changes (at, who, action) VALUES (:now, :who, :action) RETURNING id;

-- name: of
-- A batch in one round trip, as JSON.
INSERT INTO changed_jobs (job_id, change_id) SELECT value, :change FROM json_each(:jobs) WHERE true
ON CONFLICT (job_id, change_id) DO NOTHING;

-- name: of_job
SELECT at, who, action FROM changed_jobs JOIN changes ON id = change_id
WHERE job_id = :job_id ORDER BY change_id DESC LIMIT :most;

-- name: of_no_job
-- Of the home, or of jobs whose history has been forgotten. The index changed_jobs_by_change has the others.
SELECT id FROM changes
WHERE at < :before AND NOT EXISTS (SELECT 1 FROM changed_jobs WHERE change_id = changes.id) LIMIT :most;

-- name: forget
DELETE FROM changes WHERE id IN (SELECT value FROM json_each(:ids));
