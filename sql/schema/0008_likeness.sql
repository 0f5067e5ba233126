-- Names that differ only in case, in Unicode's normal form, or in dots and spaces at the end are different packages, but
-- mostly one by mistake: a new name is compared with all that are known. What was known before this is not compared.

ALTER TABLE jobs ADD COLUMN likeness BLOB;                               -- what such names have in common
ALTER TABLE jobs ADD COLUMN looks_like INTEGER REFERENCES jobs (id);     -- the first one that was known

CREATE INDEX jobs_likeness ON jobs (likeness) WHERE likeness IS NOT NULL;
CREATE INDEX jobs_looking_like ON jobs (created_at) WHERE looks_like IS NOT NULL;
