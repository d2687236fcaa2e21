-- Resources run: their states, and their attempts, whose steps stand in a queue of the server's
-- own.
-- SQLite cannot change a CHECK, so both tables are made anew; the counter of keys comes along.

CREATE TABLE instance_anew (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline INTEGER NOT NULL,
    component TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (
        status = 'WAITING_ON_DEPENDENCIES' OR status = 'WAITING_FOR_RUNNER' OR status = 'RUNNING'
        OR status = 'FINISHED' OR status = 'FAILED' OR status = 'CANCELED'
        OR status = 'CASCADE_FAILED' OR status = 'TIMEDOUT' OR status = 'PAUSED'
        OR status = 'SKIPPED' OR status = 'VALIDATING' OR status = 'CREATING'
        OR status = 'ACTIVATING' OR status = 'SHUTTING_DOWN'
    ),
    due_at INTEGER NOT NULL,
    unmet INTEGER NOT NULL CHECK (unmet >= 0),
    tries INTEGER NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    rerun INTEGER NOT NULL CHECK (rerun IN (0, 1)),
    revive INTEGER NOT NULL CHECK (revive IN (0, 1)),
    retry_at INTEGER,
    ended_at INTEGER,
    cascade_on TEXT,
    cancel_reason TEXT,
    error_id TEXT,
    error_message TEXT,
    error_stack_trace TEXT,
    CHECK ((ended_at IS NOT NULL) = (
        status = 'FINISHED' OR status = 'FAILED' OR status = 'CANCELED'
        OR status = 'CASCADE_FAILED' OR status = 'TIMEDOUT' OR status = 'SKIPPED'
    ))
);

INSERT INTO instance_anew SELECT * FROM instance;

DELETE FROM sqlite_sequence WHERE name = 'instance_anew';

INSERT INTO sqlite_sequence (name, seq)
SELECT 'instance_anew', seq FROM sqlite_sequence WHERE name = 'instance';

DROP TABLE instance;

ALTER TABLE instance_anew RENAME TO instance;

CREATE UNIQUE INDEX instance_name ON instance (pipeline, component, start);

CREATE INDEX instance_unfinished ON instance (pipeline, component, start) WHERE ended_at IS NULL;

CREATE INDEX instance_revivable ON instance (pipeline) WHERE revive = 1;

CREATE INDEX instance_cascaded ON instance (pipeline, cascade_on) WHERE cascade_on IS NOT NULL;

CREATE INDEX instance_ended ON instance (pipeline, start) WHERE ended_at IS NOT NULL;

CREATE INDEX instance_failed ON instance (pipeline, start)
WHERE status IN ('FAILED', 'CASCADE_FAILED', 'TIMEDOUT');

CREATE TABLE attempt_anew (
    instance INTEGER NOT NULL,
    number INTEGER NOT NULL,
    pipeline INTEGER NOT NULL,
    account_id TEXT NOT NULL,
    worker_group TEXT NOT NULL,
    status TEXT NOT NULL CHECK (
        status = 'WAITING_FOR_RUNNER' OR status = 'RUNNING' OR status = 'FINISHED'
        OR status = 'FAILED' OR status = 'CANCELED' OR status = 'TIMEDOUT' OR status = 'SKIPPED'
        OR status = 'VALIDATING' OR status = 'CREATING' OR status = 'ACTIVATING'
        OR status = 'SHUTTING_DOWN'
    ),
    ready_at INTEGER NOT NULL,
    offered INTEGER NOT NULL CHECK (offered IN (0, 1)),
    generation INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL CHECK (acknowledged IN (0, 1)),
    handed_at INTEGER,
    reported_at INTEGER,
    ended_at INTEGER,
    cancel_reason TEXT,
    hostname TEXT,
    fields TEXT,
    error_id TEXT,
    error_message TEXT,
    error_stack_trace TEXT,
    PRIMARY KEY (instance, number),
    CHECK (offered = 0 OR status = 'WAITING_FOR_RUNNER' OR worker_group = '@resources')
) WITHOUT ROWID;

INSERT INTO attempt_anew SELECT * FROM attempt;

DROP TABLE attempt;

ALTER TABLE attempt_anew RENAME TO attempt;

CREATE INDEX attempt_queue ON attempt (account_id, worker_group, ready_at, instance)
WHERE offered = 1;
