-- name: read
SELECT boot_id, base FROM clock;

-- name: set
-- The first look after a boot sets it; whoever comes second gets what the first one set.
INSERT INTO clock (id, boot_id, base) VALUES (1, :boot_id, :base)
ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, base = excluded.base
WHERE boot_id <> excluded.boot_id;
