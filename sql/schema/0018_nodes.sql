-- On which node of a cluster the handler ran; none where it ran here.
ALTER TABLE attempts ADD COLUMN node TEXT CHECK (length(node) BETWEEN 1 AND 200);

-- The nodes that a run or work sees, written by its dispatcher; they are forgotten with its row.
CREATE TABLE nodes (
    runner   TEXT NOT NULL REFERENCES runners (token) ON DELETE CASCADE,
    address  TEXT NOT NULL,
    name     TEXT NOT NULL,
    slots    INTEGER NOT NULL CHECK (slots >= 0),
    since_at REAL NOT NULL,
    trouble  TEXT,
    PRIMARY KEY (runner, address)
) STRICT, WITHOUT ROWID;
