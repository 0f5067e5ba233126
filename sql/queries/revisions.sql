-- Jobs that are not called as their packages are. The index jobs_package has exactly these.

-- fragments of: jobs

-- name: enqueue
-- A new package whose name a revision of another one has: its folder in the archive gets another name.
INSERT INTO jobs (name, package, position, created_at, likeness, looks_like)
VALUES (:name, :package, (SELECT coalesce(max(id), 0) + 1 FROM jobs), :now, :likeness, {same_likeness})
ON CONFLICT DO NOTHING;

-- name: revise
-- A package that is done is queued again, as a revision, behind all others.
INSERT INTO jobs (name, package, revision, source, position, created_at)
VALUES (:name, :package, :revision, :source, (SELECT max(id) + 1 FROM jobs), :now)
RETURNING {job};

-- name: one
SELECT {job} FROM jobs WHERE package = :package AND revision = :revision;

-- name: of_package
SELECT {job} FROM jobs WHERE package = :package AND revision > 1 ORDER BY revision;

-- name: is_used
-- Does a job have this name, or a package that is called so?
SELECT EXISTS (SELECT 1 FROM jobs WHERE name = :name) OR EXISTS (SELECT 1 FROM jobs WHERE package = :name) AS is_used;

-- name: other_packages
-- Which of these names have jobs of packages that are called otherwise?
SELECT name FROM jobs
WHERE name IN (SELECT unhex(value) FROM json_each(:names)) AND package IS NOT NULL;
