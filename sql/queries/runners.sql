-- name: begin
INSERT INTO runners (token, command, pid, process_start, boot_id, started_at, workers)
VALUES (:token, :command, :pid, :start, :boot_id, :now, :workers)
ON CONFLICT (token) DO NOTHING;

-- name: note_deaths
-- A death that comes long after the one before begins to count again.
UPDATE runners SET
    deaths = iif(died_at >= :recent, deaths, 0) + :deaths, dying_since = iif(died_at >= :recent, dying_since, :now),
    died_at = :now, death = :death
WHERE token = :token;

-- name: end
DELETE FROM runners WHERE token = :token;

-- name: all
SELECT token, command, pid, process_start, boot_id, started_at, workers, deaths, dying_since, died_at, death
FROM runners ORDER BY started_at, token;
