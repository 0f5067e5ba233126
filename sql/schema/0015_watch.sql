-- Packages that the kernel did not tell the watch of, and that only a look through the whole inbox found.
ALTER TABLE runners ADD COLUMN missed INTEGER NOT NULL DEFAULT 0 CHECK (missed >= 0);
