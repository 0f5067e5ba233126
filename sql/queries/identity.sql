-- name: id
SELECT id FROM identity;

-- name: work_folder
SELECT work FROM identity;

-- name: note_work_folder
UPDATE identity SET work = :work;
