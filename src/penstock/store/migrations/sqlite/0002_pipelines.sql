-- Pipelines, their definitions, and what becomes of them at run time.
-- Times are milliseconds since the epoch, UTC; flags are 0 or 1. Columns stand in the order of the
-- structs in penstock.model.runtime, so a row is a struct. States are checked by chains of OR, not
-- by IN: SQLite builds a table for a list of more than two each time a row is written, which took
-- longer than the writing (22 us against 4 to update an instance's state).

CREATE TABLE pipeline (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN (
        'PENDING', 'SCHEDULED', 'DEACTIVATING', 'INACTIVE', 'FINISHED', 'DELETING', 'DELETED'
    )),
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    first_activated_at INTEGER,
    last_activated_at INTEGER,
    last_deactivated_at INTEGER,
    finished_at INTEGER,
    deleted_at INTEGER
);

-- CreatePipeline is idempotent on the name and the unique id; a deleted pipeline frees them.
CREATE UNIQUE INDEX pipeline_unique ON pipeline (account_id, name, unique_id)
WHERE deleted_at IS NULL;

-- Version 0 is the draft ("latest"); the others came into force by an activation.
CREATE TABLE definition (
    pipeline INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (pipeline, version)
) WITHOUT ROWID;

CREATE TABLE component (
    pipeline INTEGER NOT NULL,
    id TEXT NOT NULL,
    next_start INTEGER NOT NULL,
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    health TEXT CHECK (health IN ('HEALTHY', 'ERROR')),
    health_start INTEGER,
    health_at INTEGER,
    PRIMARY KEY (pipeline, id)
) WITHOUT ROWID;

CREATE INDEX component_open ON component (pipeline) WHERE open = 1;

-- AUTOINCREMENT: a key is never used twice, or an old task id could name a new instance.
CREATE TABLE instance (
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
        OR status = 'SKIPPED'
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

-- The counter of keys, from the start on: keys are reserved before the row is there.
INSERT INTO sqlite_sequence (name, seq) VALUES ('instance', 0);

CREATE UNIQUE INDEX instance_name ON instance (pipeline, component, start);

CREATE INDEX instance_unfinished ON instance (pipeline, component, start) WHERE ended_at IS NULL;

CREATE INDEX instance_revivable ON instance (pipeline) WHERE revive = 1;

CREATE INDEX instance_cascaded ON instance (pipeline, cascade_on) WHERE cascade_on IS NOT NULL;

CREATE TABLE attempt (
    instance INTEGER NOT NULL,
    number INTEGER NOT NULL,
    pipeline INTEGER NOT NULL,
    account_id TEXT NOT NULL,
    worker_group TEXT NOT NULL,
    status TEXT NOT NULL CHECK (
        status = 'WAITING_FOR_RUNNER' OR status = 'RUNNING' OR status = 'FINISHED'
        OR status = 'FAILED' OR status = 'CANCELED' OR status = 'TIMEDOUT' OR status = 'SKIPPED'
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
    CHECK (offered = 0 OR status = 'WAITING_FOR_RUNNER')
) WITHOUT ROWID;

-- The queue: tasks of a worker group in the order in which they became ready.
CREATE INDEX attempt_queue ON attempt (account_id, worker_group, ready_at, instance)
WHERE offered = 1;

CREATE TABLE wait (
    waiter INTEGER NOT NULL,
    pipeline INTEGER NOT NULL,
    target TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    missing INTEGER NOT NULL CHECK (missing >= 0),
    PRIMARY KEY (waiter, target)
) WITHOUT ROWID;

CREATE INDEX wait_target ON wait (pipeline, target, first, last);

CREATE TABLE timer (
    kind TEXT NOT NULL,
    subject INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;

CREATE INDEX timer_due ON timer (due_at);

-- The history of every object, append-only.
CREATE TABLE event (
    key INTEGER PRIMARY KEY,
    pipeline INTEGER NOT NULL,
    component TEXT NOT NULL,
    start INTEGER,
    attempt INTEGER,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE INDEX event_object ON event (pipeline, component, start);

-- Runners heard of lately, by their heartbeats.
CREATE TABLE heartbeat (
    account_id TEXT NOT NULL,
    taskrunner_id TEXT NOT NULL,
    worker_group TEXT NOT NULL,
    hostname TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account_id, taskrunner_id)
) WITHOUT ROWID;
