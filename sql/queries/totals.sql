-- name: count_outcomes
INSERT INTO outcome_totals (hour_at, outcome, attempts, jobs) VALUES (:hour_at, :outcome, :attempts, :jobs)
ON CONFLICT (hour_at, outcome) DO UPDATE SET attempts = attempts + excluded.attempts, jobs = jobs + excluded.jobs;

-- name: count_durations
INSERT INTO duration_totals (hour_at, step, at_most, count, seconds)
VALUES (:hour_at, :step, :at_most, :count, :seconds)
ON CONFLICT (hour_at, step, at_most) DO UPDATE SET count = count + excluded.count, seconds = seconds + excluded.seconds;

-- name: sum_outcomes
SELECT outcome, sum(attempts) AS attempts, sum(jobs) AS jobs FROM outcome_totals GROUP BY outcome;

-- name: sum_durations
-- A row for each hour, step and bound is read: of a year in which nothing rested, some 175,000.
SELECT step, at_most, sum(count) AS count, sum(seconds) AS seconds FROM duration_totals GROUP BY step, at_most;
