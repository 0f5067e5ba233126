-- Since when a job is in the queue, where that is not since its creation: a list can be asked for what was retried today.
ALTER TABLE jobs ADD COLUMN queued_at REAL;

UPDATE jobs SET queued_at = (SELECT ended_at FROM attempts WHERE job_id = jobs.id AND number = jobs.attempt)
WHERE state = 'queued' AND attempt > 0;

-- Most jobs need one attempt: these few are found among a million.
CREATE INDEX jobs_tried_again ON jobs (attempt) WHERE attempt > 1;
