-- When old instances are next looked for: one row. Of the servers that share a database the one that
-- moves the time on does it.
CREATE TABLE sweep (
    due_at INTEGER NOT NULL
);

INSERT INTO sweep (due_at) VALUES (0);
