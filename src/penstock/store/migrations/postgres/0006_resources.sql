-- Resources run: their states, and their attempts, whose steps stand in a queue of the server's
-- own.

ALTER TABLE instance DROP CONSTRAINT instance_status_check;

ALTER TABLE instance ADD CONSTRAINT instance_status_check CHECK (status IN (
    'WAITING_ON_DEPENDENCIES', 'WAITING_FOR_RUNNER', 'RUNNING', 'FINISHED', 'FAILED',
    'CANCELED', 'CASCADE_FAILED', 'TIMEDOUT', 'PAUSED', 'SKIPPED', 'VALIDATING', 'CREATING',
    'ACTIVATING', 'SHUTTING_DOWN'
));

ALTER TABLE attempt DROP CONSTRAINT attempt_status_check;

ALTER TABLE attempt ADD CONSTRAINT attempt_status_check CHECK (status IN (
    'WAITING_FOR_RUNNER', 'RUNNING', 'FINISHED', 'FAILED', 'CANCELED', 'TIMEDOUT', 'SKIPPED',
    'VALIDATING', 'CREATING', 'ACTIVATING', 'SHUTTING_DOWN'
));

ALTER TABLE attempt DROP CONSTRAINT attempt_check;

ALTER TABLE attempt ADD CONSTRAINT attempt_check CHECK (
    offered = 0 OR status = 'WAITING_FOR_RUNNER' OR worker_group = '@resources'
);
