-- While there is a row, nothing is claimed: it outlives every process. One that is over by its time is as none.
CREATE TABLE pauses (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    paused_at REAL NOT NULL,
    ends_at   REAL,                        -- by the wall clock; NULL: at the resume
    reason    TEXT CHECK (reason <> '')
) STRICT;
