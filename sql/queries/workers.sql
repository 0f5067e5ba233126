-- name: register
INSERT INTO workers (token, supervisor, pid, started_at) VALUES (:token, :supervisor, :pid, :now) RETURNING id;

-- name: end
UPDATE workers SET ended_at = :now WHERE id = :id AND ended_at IS NULL;

-- name: note_trouble
UPDATE workers SET trouble = :trouble WHERE token = :token;

-- name: not_ended
-- Who may have died: the kernel says of each whether it did.
SELECT * FROM workers WHERE ended_at IS NULL ORDER BY id;
