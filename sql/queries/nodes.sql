-- name: add
INSERT INTO nodes (runner, address, name, slots, since_at, trouble)
VALUES (:runner, :address, :name, :slots, :since_at, :trouble);

-- name: forget
DELETE FROM nodes WHERE runner = :runner;

-- name: all
-- Two that run here may use one cluster: a node that both see is told once.
SELECT min(name) AS name, address, max(slots) AS slots, min(since_at) AS since_at, max(trouble) AS trouble
FROM nodes
GROUP BY address ORDER BY name, address;
