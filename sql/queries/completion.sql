-- Names for whoever types one. However many there are, no more than :look rows are read from each place in which a name
-- that fits may be: the first and the last ones that begin so, and the newest of each state but done.

-- fragment: begins
name >= :first AND name < :beyond

-- name: names
SELECT name FROM (SELECT name, state FROM jobs WHERE {begins} ORDER BY name LIMIT :look) WHERE instr(:states, state)
UNION
SELECT name FROM (SELECT name, state FROM jobs WHERE {begins} ORDER BY name DESC LIMIT :look) WHERE instr(:states, state)
UNION
SELECT name FROM (SELECT name FROM jobs WHERE state = 'failed' ORDER BY finished_at DESC LIMIT :look)
WHERE instr(:states, 'failed') AND {begins}
UNION
SELECT name FROM (SELECT name FROM jobs WHERE state = 'running' LIMIT :look)
WHERE instr(:states, 'running') AND {begins}
UNION
SELECT name FROM (
    SELECT name FROM jobs WHERE state = 'queued' AND not_before_at IS NULL ORDER BY position DESC LIMIT :look
)
WHERE instr(:states, 'queued') AND {begins}
UNION
SELECT name FROM (SELECT name FROM jobs WHERE state = 'queued' AND not_before_at IS NOT NULL LIMIT :look)
WHERE instr(:states, 'queued') AND {begins}
ORDER BY name;
