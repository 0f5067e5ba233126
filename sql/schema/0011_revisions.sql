-- A package that is done may be processed again: that is a job of its own, a revision. `name` remains what tells each job
-- from all others, and is the name of its folder in the archive: of a revision, NAME~N, the first that was free.

-- The name under which it was delivered, where that is not `name`.
ALTER TABLE jobs ADD COLUMN package BLOB
    CHECK (package IS NULL OR (length(package) BETWEEN 1 AND 251 AND instr(package, x'2f') = 0 AND package <> name));

ALTER TABLE jobs ADD COLUMN revision INTEGER NOT NULL DEFAULT 1
    CHECK (revision = 1 OR (revision > 1 AND package IS NOT NULL));

-- The folder in the archive from which the sender's files are copied; NULL of what comes out of the inbox.
ALTER TABLE jobs ADD COLUMN source BLOB CHECK (source IS NULL OR revision > 1);

CREATE UNIQUE INDEX jobs_package ON jobs (package, revision) WHERE package IS NOT NULL;
