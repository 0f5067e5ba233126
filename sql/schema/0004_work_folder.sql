-- Where the work folder was seen last: two homes on one database would take each other's workers for dead.
ALTER TABLE identity ADD COLUMN work BLOB;
