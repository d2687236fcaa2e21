-- Pipelines, definitions, components.

-- name: insert_pipeline
-- Adds a pipeline and answers its key.
INSERT INTO pipeline (
    id, account_id, user_id, name, unique_id, description, tags, state, version, created_at
) VALUES (
    :id, :account_id, :user_id, :name, :unique_id, :description, :tags, :state, :version,
    :created_at
)
RETURNING key;

-- name: update_pipeline
-- Writes what can change of a pipeline.
UPDATE pipeline SET
    tags = :tags, state = :state, version = :version, first_activated_at = :first_activated_at,
    last_activated_at = :last_activated_at, last_deactivated_at = :last_deactivated_at,
    finished_at = :finished_at, deleted_at = :deleted_at
WHERE key = :key;

-- name: pipeline_by_key
-- One pipeline, deleted or not.
SELECT * FROM pipeline WHERE key = :key;

-- name: pipeline_by_id
-- One pipeline of an account, deleted or not.
SELECT * FROM pipeline WHERE id = :id AND account_id = :account_id;

-- name: pipeline_by_unique_id
-- The living pipeline that an earlier CreatePipeline with the same name and unique id made.
SELECT * FROM pipeline
WHERE account_id = :account_id AND name = :name AND unique_id = :unique_id AND deleted_at IS NULL;

-- name: pipelines_after
-- A page of an account's living pipelines, in creation order.
SELECT * FROM pipeline
WHERE account_id = :account_id AND key > :after AND deleted_at IS NULL
ORDER BY key
LIMIT :limit;

-- name: put_definition
-- Keeps a definition version; the draft (version 0) is written over.
INSERT INTO definition (pipeline, version, content) VALUES (:pipeline, :version, :content)
ON CONFLICT (pipeline, version) DO UPDATE SET content = excluded.content;

-- name: definition
-- One definition version.
SELECT content FROM definition WHERE pipeline = :pipeline AND version = :version;

-- name: put_component
-- Writes where a component stands.
INSERT INTO component (pipeline, id, next_start, open, paused, health, health_start, health_at)
VALUES (:pipeline, :id, :next_start, :open, :paused, :health, :health_start, :health_at)
ON CONFLICT (pipeline, id) DO UPDATE SET
    next_start = excluded.next_start, open = excluded.open, paused = excluded.paused,
    health = excluded.health, health_start = excluded.health_start, health_at = excluded.health_at;

-- name: update_health
-- Writes a component's health alone, which changes with every instance that ends.
UPDATE component SET health = :health, health_start = :health_start, health_at = :health_at
WHERE pipeline = :pipeline AND id = :id;

-- name: component
-- One component's row.
SELECT * FROM component WHERE pipeline = :pipeline AND id = :id;

-- name: components
-- All component rows of a pipeline.
SELECT * FROM component WHERE pipeline = :pipeline;

-- name: components_with_active
-- All component rows of a pipeline, each with its number of unfinished instances (reruns apart).
SELECT component.*, (
    SELECT count(*) FROM instance
    WHERE instance.pipeline = component.pipeline AND instance.component = component.id
        AND instance.ended_at IS NULL AND instance.rerun = 0
) FROM component
WHERE component.pipeline = :pipeline;

-- name: component_with_active
-- One component row with its number of unfinished instances (reruns apart).
SELECT component.*, (
    SELECT count(*) FROM instance
    WHERE instance.pipeline = component.pipeline AND instance.component = component.id
        AND instance.ended_at IS NULL AND instance.rerun = 0
) FROM component
WHERE component.pipeline = :pipeline AND component.id = :id;

-- name: has_open_component
-- Whether any schedule of the pipeline has an interval left.
SELECT EXISTS (SELECT 1 FROM component WHERE pipeline = :pipeline AND open = 1);

-- name: put_heartbeat
-- Remembers that a runner was heard.
INSERT INTO heartbeat (account_id, taskrunner_id, worker_group, hostname, at)
VALUES (:account_id, :taskrunner_id, :worker_group, :hostname, :at)
ON CONFLICT (account_id, taskrunner_id) DO UPDATE SET
    worker_group = excluded.worker_group, hostname = excluded.hostname, at = excluded.at;

-- name: put_poll
-- Remembers that a runner asked for tasks of a worker group.
INSERT INTO poll (account_id, worker_group, at) VALUES (:account_id, :worker_group, :at)
ON CONFLICT (account_id, worker_group) DO UPDATE SET at = excluded.at;

-- name: last_poll
-- When a runner last asked for tasks of a worker group.
SELECT at FROM poll WHERE account_id = :account_id AND worker_group = :worker_group;

-- name: polled
-- The worker groups of an account that runners have asked for since a time.
SELECT worker_group FROM poll WHERE account_id = :account_id AND at >= :since;

-- name: purge_instance_keys
-- Some instances of a deleted pipeline, to be purged in one small step.
SELECT key FROM instance WHERE pipeline = :pipeline LIMIT :limit;

-- name: purge_instance
-- Removes one instance.
DELETE FROM instance WHERE key = :key;

-- name: purge_attempts
-- Removes an instance's attempts.
DELETE FROM attempt WHERE instance = :key;

-- name: purge_waits
-- Removes what an instance waited for.
DELETE FROM wait WHERE waiter = :key;

-- name: purge_instance_timers
-- Removes an instance's timers.
DELETE FROM timer
WHERE subject = :key AND kind IN ('owner', 'retry', 'late', 'condition', 'machine');

-- name: purge_events
-- Removes some history of a deleted pipeline; who deleted it stays.
DELETE FROM event WHERE key IN (
    SELECT key FROM event WHERE pipeline = :pipeline AND what <> 'DELETE' LIMIT :limit
);

-- name: purge_components
-- Removes the component rows of a deleted pipeline.
DELETE FROM component WHERE pipeline = :pipeline;

-- name: purge_definitions
-- Removes the definitions of a deleted pipeline.
DELETE FROM definition WHERE pipeline = :pipeline;
