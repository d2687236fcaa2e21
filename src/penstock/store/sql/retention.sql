-- What is forgotten after a while; and what is brought back.

-- name: pipelines_with_past
-- Living pipelines with ended instances of intervals that start before a time, and with later ones
-- of the same component: the last of each stays, so most finished ones have nothing to forget.
SELECT key FROM pipeline
WHERE key > :after AND version > 0 AND deleted_at IS NULL AND EXISTS (
    SELECT 1 FROM instance
    WHERE instance.pipeline = pipeline.key AND instance.ended_at IS NOT NULL
        AND instance.start < :before AND EXISTS (
            SELECT 1 FROM instance AS later
            WHERE later.pipeline = instance.pipeline AND later.component = instance.component
                AND later.start > instance.start
        )
)
ORDER BY key
LIMIT :limit;

-- name: past
-- A component's instances that start in a range, the earliest first, as far as they are judged by.
SELECT key, start, "end", version, status, due_at, attempts, revive, ended_at FROM instance
WHERE pipeline = :pipeline AND component = :component AND start BETWEEN :first AND :last
ORDER BY start
LIMIT :limit;

-- name: prune_attempts
-- Removes the attempts of some instances.
-- sqlite:
DELETE FROM attempt WHERE instance IN (SELECT value FROM json_each(:keys));
-- postgres:
DELETE FROM attempt WHERE instance = ANY(CAST(:keys AS BIGINT[]));

-- name: prune_waits
-- Removes what some instances waited for.
-- sqlite:
DELETE FROM wait WHERE waiter IN (SELECT value FROM json_each(:keys));
-- postgres:
DELETE FROM wait WHERE waiter = ANY(CAST(:keys AS BIGINT[]));

-- name: prune_timers
-- Removes the timers of some instances.
-- sqlite:
DELETE FROM timer
WHERE kind IN ('owner', 'retry', 'late', 'condition', 'machine')
    AND subject IN (SELECT value FROM json_each(:keys));
-- postgres:
DELETE FROM timer
WHERE kind IN ('owner', 'retry', 'late', 'condition', 'machine')
    AND subject = ANY(CAST(:keys AS BIGINT[]));

-- name: prune_events
-- Removes the history of some instances.
-- sqlite:
DELETE FROM event
WHERE pipeline = :pipeline AND component = :component
    AND start IN (SELECT value FROM json_each(:starts));
-- postgres:
DELETE FROM event
WHERE pipeline = :pipeline AND component = :component
    AND start = ANY(CAST(:starts AS BIGINT[]));

-- name: prune_instances
-- Removes some instances.
-- sqlite:
DELETE FROM instance WHERE key IN (SELECT value FROM json_each(:keys));
-- postgres:
DELETE FROM instance WHERE key = ANY(CAST(:keys AS BIGINT[]));

-- name: drop_definitions
-- Removes the definition versions before one that nobody can ask for any more; never the draft.
DELETE FROM definition WHERE pipeline = :pipeline AND version > 0 AND version < :before;

-- name: claim_sweep
-- Takes on the next sweep, if it is due; of several servers one succeeds.
UPDATE sweep SET due_at = :until WHERE due_at <= :now;

-- name: forget_heartbeats
-- Removes runners not heard since a time. One that is just being heard again stays.
-- sqlite:
DELETE FROM heartbeat WHERE at < :before;
-- postgres:
DELETE FROM heartbeat WHERE (account_id, taskrunner_id) IN (
    SELECT account_id, taskrunner_id FROM heartbeat WHERE at < :before FOR UPDATE SKIP LOCKED
);

-- name: forget_polls
-- Removes worker groups that nobody has asked for since a time. One just asked for stays.
-- sqlite:
DELETE FROM poll WHERE at < :before;
-- postgres:
DELETE FROM poll WHERE (account_id, worker_group) IN (
    SELECT account_id, worker_group FROM poll WHERE at < :before FOR UPDATE SKIP LOCKED
);

-- name: restored_at
-- When the database was last brought back from a backup.
SELECT max(at) FROM restoration;

-- name: note_restoration
-- Remembers that it has been.
INSERT INTO restoration (at) VALUES (:at);
