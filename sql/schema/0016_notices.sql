-- What people are to be told ([notify]), written in the commit that makes it true.

-- Packages that have failed, and that no notice tells of yet: a notice is made of all of them.
CREATE TABLE unnoticed_failures (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given out again: a notice takes away just what it has read
    name      BLOB NOT NULL,
    error     TEXT NOT NULL,
    failed_at REAL NOT NULL
) STRICT;

-- Notices that have not got to their receiver, each once for each way there. What was delivered has no row any more.
CREATE TABLE notices (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel     TEXT NOT NULL CHECK (channel IN ('command', 'webhook')),
    kind        TEXT NOT NULL CHECK (kind IN ('failed', 'paused', 'backlog')),
    document    TEXT NOT NULL CHECK (json_valid(document)),   -- as it is sent, each time the same
    created_at  REAL NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    due_at      REAL NOT NULL DEFAULT 0,   -- on the steady clock: who sends it has it alone until then
    error       TEXT,                      -- of the last try
    given_up_at REAL
) STRICT;

-- While there is a row, a notice has told of a package that has been in the queue for too long.
CREATE TABLE backlogs (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    noticed_at REAL NOT NULL
) STRICT;
