-- When runners last asked for tasks of a worker group, at whichever server, to the minute.
CREATE TABLE poll (
    account_id TEXT NOT NULL,
    worker_group TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account_id, worker_group)
);
