-- fragment: is_paused
-- `:wall` is the time by the wall clock, as people mean it who say until when.
EXISTS (SELECT 1 FROM pauses WHERE ends_at IS NULL OR ends_at > :wall)

-- fragment: is_paused_for_good
-- It does not end by itself.
EXISTS (SELECT 1 FROM pauses WHERE ends_at IS NULL)

-- name: begin
-- In a pause, only why and until when change.
INSERT INTO pauses (only, paused_at, ends_at, reason) VALUES (1, :wall, :ends_at, :reason)
ON CONFLICT (only) DO UPDATE SET
    paused_at = iif({is_paused}, paused_at, excluded.paused_at), ends_at = excluded.ends_at, reason = excluded.reason;

-- name: end
DELETE FROM pauses;

-- name: in_force
SELECT paused_at AS since, ends_at AS until, reason FROM pauses WHERE {is_paused};
