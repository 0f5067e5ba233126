-- What people have changed, by a command or in the dashboard: a row for each time, written with what it changes.
CREATE TABLE changes (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     REAL NOT NULL,
    who    TEXT NOT NULL CHECK (length(who) BETWEEN 1 AND 300),
    action TEXT NOT NULL CHECK (action IN ('retry', 'rerun', 'accept', 'front', 'cancel', 'pause', 'resume'))
) STRICT;

-- Which jobs it was about; of a pause there are none.
CREATE TABLE changed_jobs (
    job_id    INTEGER NOT NULL REFERENCES jobs (id),
    change_id INTEGER NOT NULL REFERENCES changes (id),
    PRIMARY KEY (job_id, change_id)
) STRICT, WITHOUT ROWID;

-- Whether a change is still of a job.
CREATE INDEX changed_jobs_by_change ON changed_jobs (change_id);
