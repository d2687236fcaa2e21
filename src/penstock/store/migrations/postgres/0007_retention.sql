-- When old instances are next looked for: one row. Of the servers that share a database the one
-- that moves the time on does it.
CREATE TABLE sweep (
    due_at BIGINT NOT NULL
);

INSERT INTO sweep (due_at) VALUES (0);

-- When this database was brought back from a backup. What was done after the backup is unknown
-- here, and the keys that were given then are given again: task ids from before must not open
-- anything.
CREATE TABLE restoration (
    at BIGINT NOT NULL
);
