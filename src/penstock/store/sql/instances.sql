-- Instances, attempts, waits, timers, history.

-- name: reserve_instance_key
-- Takes the next instance keys; keys are never used twice.
-- sqlite:
UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'instance' RETURNING seq;
-- postgres:
SELECT nextval('instance_key') FROM generate_series(1, :count);

-- name: insert_instance
-- Adds an instance.
INSERT INTO instance (
    key, pipeline, component, start, "end", version, status, due_at, unmet, tries, attempts, rerun,
    revive, retry_at, ended_at, cascade_on, cancel_reason, error_id, error_message,
    error_stack_trace
) VALUES (
    :key, :pipeline, :component, :start, :end, :version, :status, :due_at, :unmet, :tries,
    :attempts, :rerun, :revive, :retry_at, :ended_at, :cascade_on, :cancel_reason, :error_id,
    :error_message, :error_stack_trace
);

-- name: update_instance
-- Writes what can change of an instance.
UPDATE instance SET
    status = :status, unmet = :unmet, tries = :tries, attempts = :attempts, rerun = :rerun,
    revive = :revive, retry_at = :retry_at, ended_at = :ended_at, cascade_on = :cascade_on,
    cancel_reason = :cancel_reason, error_id = :error_id, error_message = :error_message,
    error_stack_trace = :error_stack_trace
WHERE key = :key;

-- name: move_instance
-- Writes what changes from state to state short of the end; no index is touched.
UPDATE instance SET status = :status, unmet = :unmet, tries = :tries, attempts = :attempts
WHERE key = :key;

-- name: end_instance
-- Writes what changes when an instance ends as it should.
UPDATE instance SET
    status = :status, unmet = :unmet, tries = :tries, attempts = :attempts, ended_at = :ended_at
WHERE key = :key;

-- name: instance
-- One instance and its latest attempt, if it has one.
SELECT instance.*, attempt.* FROM instance
LEFT JOIN attempt ON attempt.instance = instance.key AND attempt.number = instance.attempts
WHERE instance.key = :key;

-- name: instance_by_name
-- One instance by its component and start, and its latest attempt.
SELECT instance.*, attempt.* FROM instance
LEFT JOIN attempt ON attempt.instance = instance.key AND attempt.number = instance.attempts
WHERE instance.pipeline = :pipeline AND instance.component = :component
    AND instance.start = :start;

-- name: task
-- An instance and one of its attempts.
SELECT instance.*, attempt.* FROM attempt
JOIN instance ON instance.key = attempt.instance
WHERE attempt.instance = :instance AND attempt.number = :number;

-- name: range_state
-- How the instances of a component that start in a range stand: how many there are, how many are
-- satisfied, and the start of one that failed.
SELECT
    count(*),
    count(CASE WHEN status IN ('FINISHED', 'SKIPPED') THEN 1 END),
    min(CASE WHEN status IN ('FAILED', 'CANCELED', 'CASCADE_FAILED', 'TIMEDOUT') THEN start END)
FROM instance
WHERE pipeline = :pipeline AND component = :component AND start BETWEEN :first AND :last;

-- name: unfinished
-- All unfinished instances of a pipeline, oldest first.
SELECT * FROM instance
WHERE pipeline = :pipeline AND ended_at IS NULL
ORDER BY start, key;

-- name: unfinished_of_component
-- All unfinished instances of one component, oldest first.
SELECT * FROM instance
WHERE pipeline = :pipeline AND component = :component AND ended_at IS NULL
ORDER BY start;

-- name: revivable
-- What the last deactivation cancelled.
SELECT * FROM instance
WHERE pipeline = :pipeline AND revive = 1 AND status = 'CANCELED'
ORDER BY start, key;

-- name: cascaded
-- What failed, or was cancelled, because of a failed instance (by its id).
SELECT * FROM instance
WHERE pipeline = :pipeline AND cascade_on = :cascade_on
    AND status IN ('CASCADE_FAILED', 'CANCELED', 'FAILED')
ORDER BY start, key;

-- name: has_unfinished
-- Whether any instance of the pipeline is unfinished.
SELECT EXISTS (SELECT 1 FROM instance WHERE pipeline = :pipeline AND ended_at IS NULL);

-- name: under_way
-- What is in a runner's hands, and the resources that are there or on their way.
SELECT * FROM instance
WHERE pipeline = :pipeline AND ended_at IS NULL
    AND status IN ('RUNNING', 'VALIDATING', 'CREATING', 'ACTIVATING', 'SHUTTING_DOWN')
ORDER BY start, key;

-- name: active_runs
-- On-demand runs that can still move, by themselves or when they are resumed.
SELECT count(DISTINCT start) FROM instance
WHERE pipeline = :pipeline AND ended_at IS NULL
    AND (
        status IN (
            'WAITING_FOR_RUNNER', 'RUNNING', 'VALIDATING', 'CREATING', 'ACTIVATING',
            'SHUTTING_DOWN'
        )
        OR retry_at IS NOT NULL
        OR status = 'PAUSED' AND unmet = 0
    );

-- name: insert_attempt
-- Adds an attempt.
INSERT INTO attempt (
    instance, number, pipeline, account_id, worker_group, status, ready_at, offered, generation,
    acknowledged, handed_at, reported_at, ended_at, cancel_reason, hostname, fields, error_id,
    error_message, error_stack_trace
) VALUES (
    :instance, :number, :pipeline, :account_id, :worker_group, :status, :ready_at, :offered,
    :generation, :acknowledged, :handed_at, :reported_at, :ended_at, :cancel_reason, :hostname,
    :fields, :error_id, :error_message, :error_stack_trace
);

-- name: update_attempt
-- Writes what can change of an attempt.
UPDATE attempt SET
    status = :status, ready_at = :ready_at, offered = :offered, generation = :generation,
    acknowledged = :acknowledged,
    handed_at = :handed_at, reported_at = :reported_at, ended_at = :ended_at,
    cancel_reason = :cancel_reason, hostname = :hostname, fields = :fields, error_id = :error_id,
    error_message = :error_message, error_stack_trace = :error_stack_trace
WHERE instance = :instance AND number = :number;

-- name: hand_over_attempt
-- Writes what changes when a runner gets a task.
UPDATE attempt SET
    status = :status, offered = :offered, handed_at = :handed_at, hostname = :hostname
WHERE instance = :instance AND number = :number;

-- name: end_attempt
-- Writes what changes when an attempt ends as it should; no index is touched.
UPDATE attempt SET status = :status, acknowledged = :acknowledged, ended_at = :ended_at
WHERE instance = :instance AND number = :number;

-- name: update_report
-- Writes what a progress report changes: it leaves the queue's index alone.
UPDATE attempt SET acknowledged = 1, reported_at = :reported_at, fields = :fields
WHERE instance = :instance AND number = :number;

-- name: attempts_of
-- All attempts of an instance.
SELECT * FROM attempt WHERE instance = :instance ORDER BY number;

-- name: offered
-- The tasks of a worker group's queue that are next; in PostgreSQL not those of :busy pipelines.
-- sqlite:
SELECT instance.*, attempt.* FROM attempt
JOIN instance ON instance.key = attempt.instance
WHERE attempt.offered = 1 AND attempt.account_id = :account_id
    AND attempt.worker_group = :worker_group
ORDER BY attempt.ready_at, attempt.instance
LIMIT :limit;
-- postgres:
SELECT instance.*, attempt.* FROM attempt
JOIN instance ON instance.key = attempt.instance
WHERE attempt.offered = 1 AND attempt.account_id = :account_id
    AND attempt.worker_group = :worker_group AND attempt.pipeline <> ALL(:busy)
ORDER BY attempt.ready_at, attempt.instance
LIMIT :limit;

-- name: put_wait
-- Writes what an instance waits for.
INSERT INTO wait (waiter, pipeline, target, first, last, missing)
VALUES (:waiter, :pipeline, :target, :first, :last, :missing)
ON CONFLICT (waiter, target) DO UPDATE SET
    first = excluded.first, last = excluded.last, missing = excluded.missing;

-- name: drop_waits
-- The instance waits for nothing any more.
DELETE FROM wait WHERE waiter = :waiter;

-- name: waits_for
-- The waits that an instance of a component takes part in, each with its waiter.
SELECT wait.*, instance.* FROM wait
JOIN instance ON instance.key = wait.waiter
WHERE wait.pipeline = :pipeline AND wait.target = :target
    AND wait.first <= :start AND wait.last >= :start
ORDER BY wait.first, wait.waiter;

-- name: waits_of
-- What an instance waits for.
SELECT * FROM wait WHERE waiter = :waiter;

-- name: set_timer
-- Sets a timer, in place of the one of the same kind and subject.
INSERT INTO timer (kind, subject, due_at) VALUES (:kind, :subject, :due_at)
ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at;

-- name: hasten_timer
-- Sets a timer unless it is already due earlier.
INSERT INTO timer (kind, subject, due_at) VALUES (:kind, :subject, :due_at)
ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at
WHERE excluded.due_at < timer.due_at;

-- name: clear_timer
-- Removes a timer.
DELETE FROM timer WHERE kind = :kind AND subject = :subject;

-- name: due_timers
-- The timers that are due, earliest first; in PostgreSQL each with its pipeline (0 if it is gone),
-- and not those of :busy pipelines.
-- sqlite:
SELECT * FROM timer WHERE due_at <= :now ORDER BY due_at LIMIT :limit;
-- postgres:
SELECT due.kind, due.subject, due.due_at, due.pipeline FROM (
    SELECT timer.*, coalesce(
        CASE
            WHEN timer.kind = ANY(:pipeline_kinds) THEN timer.subject
            ELSE (SELECT instance.pipeline FROM instance WHERE instance.key = timer.subject)
        END, 0
    ) AS pipeline
    FROM timer
    WHERE timer.due_at <= :now
) AS due
WHERE due.pipeline <> ALL(:busy)
ORDER BY due.due_at
LIMIT :limit;

-- name: next_due
-- When the next timer is due.
SELECT min(due_at) FROM timer;

-- name: record
-- Adds a line to an object's history.
INSERT INTO event (pipeline, component, start, attempt, at, what, detail, user_name)
VALUES (:pipeline, :component, :start, :attempt, :at, :what, :detail, :user_name);

-- name: history
-- The history of one instance, oldest first.
SELECT pipeline, component, start, attempt, at, what, detail, user_name FROM event
WHERE pipeline = :pipeline AND component = :component AND start = :start
ORDER BY key;

-- name: history_of_component
-- The history of one component as such, oldest first.
SELECT pipeline, component, start, attempt, at, what, detail, user_name FROM event
WHERE pipeline = :pipeline AND component = :component AND start IS NULL
ORDER BY key;

-- name: instances_after
-- A page of a pipeline's instances, by component and start.
SELECT * FROM instance
WHERE pipeline = :pipeline AND (component, start) > (:component, :start)
ORDER BY component, start
LIMIT :limit;

-- name: attempts_after
-- A page of a pipeline's attempts with their instances, by component, start and number.
SELECT instance.*, attempt.* FROM instance
JOIN attempt ON attempt.instance = instance.key
WHERE instance.pipeline = :pipeline AND (instance.component, instance.start) >= (:component, :start)
    AND (instance.component, instance.start, attempt.number) > (:component, :start, :number)
ORDER BY instance.component, instance.start, attempt.number
LIMIT :limit;

-- name: latest_run
-- The latest interval start of a pipeline's instances: one look at the index for each component.
SELECT max((
    SELECT max(instance.start) FROM instance
    WHERE instance.pipeline = component.pipeline AND instance.component = component.id
)) FROM component
WHERE component.pipeline = :pipeline;

-- name: latest_completed_run
-- The latest interval start of a component's finished instances.
SELECT start FROM instance
WHERE pipeline = :pipeline AND component = :component AND status = 'FINISHED'
ORDER BY start DESC
LIMIT 1;
