-- name: count_outcomes
INSERT INTO outcome_totals (hour_at, outcome, attempts, jobs) VALUES (:hour_at, :outcome, :attempts, :jobs)
ON CONFLICT (hour_at, outcome) DO UPDATE SET attempts = attempts + excluded.attempts, jobs = jobs + excluded.jobs;

-- name: count_durations
INSERT INTO duration_totals (hour_at, step, at_most, count, seconds)
VALUES (:hour_at, :step, :at_most, :count, :seconds)
ON CONFLICT (hour_at, step, at_most) DO UPDATE SET count = count + excluded.count, seconds = seconds + excluded.seconds;
