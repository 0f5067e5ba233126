-- A listing takes jobs from where an index leads to the fewest, and orders them. Each `from` below has the same columns;
-- what is not asked for is NULL, or an infinite time, and costs nothing: its condition reads no column.
-- :states is a text of the words of `standing`, none of which is part of another.

-- fragments of: jobs

-- fragment: standing
-- The state as people are told it.
CASE
    WHEN state = 'queued' AND not_before_at IS NOT NULL AND NOT {is_due} THEN 'waiting'
    WHEN state = 'failed' AND verdict = 'cancelled' THEN 'cancelled'
    ELSE state
END

-- fragment: started_at
(SELECT started_at FROM attempts WHERE job_id = jobs.id AND number = jobs.attempt)

-- fragment: queued_since
coalesce(queued_at, jobs.created_at)

-- fragment: reached_at
-- When the job reached its present state. A wait begins with the queueing.
CASE state WHEN 'queued' THEN {queued_since} WHEN 'running' THEN {started_at} ELSE finished_at END

-- fragment: has_name
(:name IS NULL OR CAST(name AS TEXT) GLOB CAST(:name AS TEXT))

-- fragment: matches
{has_name} AND (:error IS NULL OR error GLOB CAST(:error AS TEXT))

-- fragment: fits
{matches} AND (:attempts = 0 OR attempt >= :attempts) AND (:is_any_state OR instr(:states, {standing}))

-- fragment: done
-- From each state what reached it in a time. A state that is not asked for is not looked at: its first condition is the
-- same for all rows. More than one attempt is not asked of these, so only what is queued can have had too few.
FROM jobs
WHERE instr(:states, 'done') AND state = 'done' AND finished_at >= :since AND finished_at < :until AND {matches}

-- fragment: failed
FROM jobs
WHERE (instr(:states, 'failed') OR instr(:states, 'cancelled')) AND state = 'failed'
    AND finished_at >= :since AND finished_at < :until AND {matches}
    AND (instr(:states, 'failed') AND instr(:states, 'cancelled') OR instr(:states, {standing}))

-- fragment: running
FROM jobs
WHERE instr(:states, 'running') AND state = 'running'
    AND {started_at} >= :since AND {started_at} < :until AND {matches}

-- fragment: ready
FROM jobs
WHERE instr(:states, 'queued') AND {is_ready}
    AND {queued_since} >= :since AND {queued_since} < :until AND attempt >= :attempts AND {matches}

-- fragment: waiting
FROM jobs
WHERE (instr(:states, 'queued') OR instr(:states, 'waiting')) AND {is_waiting} AND instr(:states, {standing})
    AND {queued_since} >= :since AND {queued_since} < :until AND {matches}

-- fragment: is_behind
-- Where a page follows another: behind the last job that was seen, among those of its very moment, `at`. On which side
-- of that moment the others are, :since and :until say.
(:last_id IS NULL OR at <> :last_at OR iif(:down, id < :last_id, id > :last_id))

-- fragment: in_time
SELECT id, finished_at AS at {done} AND {is_behind}
UNION ALL SELECT id, finished_at AS at {failed} AND {is_behind}
UNION ALL SELECT id, {started_at} AS at {running} AND {is_behind}
UNION ALL SELECT id, {queued_since} AS at {ready} AND {is_behind}
UNION ALL SELECT id, {queued_since} AS at {waiting} AND {is_behind}

-- fragment: by_name
-- From the names that begin as the pattern does.
FROM jobs WHERE name >= :first AND name < :beyond AND {fits}

-- fragment: in_span
{reached_at} >= :since AND {reached_at} < :until

-- fragment: these
-- From the few whose names fit.
FROM jobs WHERE id IN (SELECT value FROM json_each(:ids)) AND {fits} AND {in_span}

-- fragment: tried_again
-- From those that have had more than one attempt.
FROM jobs WHERE attempt > 1 AND {fits} AND {in_span}

-- fragment: by_attempts
-- From those of each number of attempts: the first two are read in their order; what was never tried is
-- sorted, which SQLite would avoid by a look at every row.
SELECT id, attempt FROM jobs WHERE attempt > 1 AND {fits}
UNION ALL SELECT id, attempt FROM jobs WHERE attempt = 1 AND {fits}
UNION ALL SELECT id, attempt FROM jobs INDEXED BY jobs_ready WHERE {is_ready} AND attempt = 0 AND {fits}

-- fragment: of_all
FROM jobs WHERE {fits}

-- fragment: sorted
-- By what no index leads to. Where :down is true, the first term is NULL for all.
ORDER BY
    iif(:down, NULL, CASE :key WHEN 'time' THEN at WHEN 'name' THEN name WHEN 'created' THEN id ELSE attempt END),
    CASE :key WHEN 'time' THEN at WHEN 'name' THEN name WHEN 'created' THEN id ELSE attempt END DESC,
    iif(:down, -id, id)
LIMIT :most

-- name: names
-- Whose names fit, as far as these are few. Where many are, a list is sooner full in the order that is wanted.
SELECT count(*) AS count, json_group_array(id) AS ids FROM (SELECT id FROM jobs WHERE {has_name} LIMIT :most);

-- name: names_from
-- The same, where the pattern has a beginning. (For all names, its two conditions would take a quarter more.)
SELECT count(*) AS count, json_group_array(id) AS ids
FROM (SELECT id FROM jobs WHERE name >= :first AND name < :beyond AND {has_name} LIMIT :most);

-- name: in_time_down
{in_time} ORDER BY at DESC, id DESC LIMIT :most;

-- name: in_time_up
{in_time} ORDER BY at, id LIMIT :most;

-- name: by_name_down
SELECT id {by_name} ORDER BY name DESC LIMIT :most;

-- name: by_name_up
SELECT id {by_name} ORDER BY name LIMIT :most;

-- name: of_all_down
SELECT id {of_all} ORDER BY id DESC LIMIT :most;

-- name: of_all_up
SELECT id {of_all} ORDER BY id LIMIT :most;

-- name: by_attempts_down
{by_attempts} ORDER BY attempt DESC, id DESC LIMIT :most;

-- name: by_attempts_up
{by_attempts} ORDER BY attempt, id LIMIT :most;

-- name: in_time_sorted
SELECT id FROM ({in_time}) JOIN jobs USING (id) {sorted};

-- name: these_sorted
SELECT id, {reached_at} AS at {these} AND {is_behind} {sorted};

-- name: tried_again_sorted
SELECT id, {reached_at} AS at {tried_again} AND {is_behind} {sorted};

-- name: in_time_count
SELECT (SELECT count(*) {done}) + (SELECT count(*) {failed}) + (SELECT count(*) {running}) + (SELECT count(*) {ready})
    + (SELECT count(*) {waiting}) AS count;

-- name: by_name_count
SELECT count(*) AS count {by_name};

-- name: these_count
SELECT count(*) AS count {these};

-- name: tried_again_count
SELECT count(*) AS count {tried_again};

-- name: listed
-- A batch of what was chosen, in its order, as it is by now.
SELECT {job}, {standing} AS standing, {reached_at} AS reached_at
FROM json_each(:ids) AS chosen CROSS JOIN jobs ON jobs.id = chosen.value
ORDER BY chosen.key;
