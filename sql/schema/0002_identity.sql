-- Which database this is, for as long as it and its copies live: a work folder belongs to one of them.
CREATE TABLE identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id   TEXT NOT NULL CHECK (length(id) = 32)
) STRICT;

INSERT INTO identity (only, id) VALUES (1, lower(hex(randomblob(16))));
