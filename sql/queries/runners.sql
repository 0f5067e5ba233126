-- name: begin
INSERT INTO runners (token, command, pid, process_start, boot_id, started_at, workers, settings_state)
VALUES (:token, :command, :pid, :start, :boot_id, :now, :workers, :settings_state)
ON CONFLICT (token) DO NOTHING;

-- name: note_deaths
-- A death that comes long after the one before begins to count again.
UPDATE runners SET
    deaths = iif(died_at >= :recent, deaths, 0) + :deaths, dying_since = iif(died_at >= :recent, dying_since, :now),
    died_at = :now, death = :death
WHERE token = :token;

-- name: note_missed
UPDATE runners SET missed = missed + :missed WHERE token = :token;

-- name: ask_to_reload
UPDATE runners SET reloads_asked = reloads_asked + 1 WHERE token = :token RETURNING reloads_asked;

-- name: reloads
SELECT reloads_asked, reloads_done, reload_answer FROM runners WHERE token = :token;

-- name: note_settings
UPDATE runners SET settings_state = :settings_state, workers = :workers WHERE token = :token;

-- name: answer
-- One answer is for all that have asked until then: each of them finds what its process runs with.
UPDATE runners SET reloads_done = max(reloads_done, :asked), reload_answer = :answer WHERE token = :token;

-- name: end
DELETE FROM runners WHERE token = :token;

-- name: all
SELECT token, command, pid, process_start, boot_id, started_at, workers, deaths, dying_since, died_at, death,
    settings_state, missed
FROM runners ORDER BY started_at, token;
