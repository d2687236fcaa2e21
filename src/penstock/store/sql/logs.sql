-- What attempts have written, as far as their runners have sent it.

-- name: append_log
-- Adds a piece of a stream, unless it, or what comes after it, is there already: a call whose
-- answer was lost is made again.
INSERT INTO log (instance, attempt, stream, position, size, final, at, stored, content)
SELECT
    CAST(:instance AS BIGINT), CAST(:attempt AS BIGINT), CAST(:stream AS TEXT),
    CAST(:position AS BIGINT), CAST(:size AS BIGINT), CAST(:final AS BIGINT), CAST(:at AS BIGINT),
    CAST(:stored AS BIGINT), :content
WHERE NOT EXISTS (
    SELECT 1 FROM log
    WHERE instance = :instance AND attempt = :attempt AND stream = :stream
        AND position + size > :position
);

-- name: trim_log
-- Removes the pieces of a stream that end before a position.
DELETE FROM log
WHERE instance = :instance AND attempt = :attempt AND stream = :stream
    AND position + size <= :before;

-- name: logs_after
-- Pieces of an instance's streams, or of one attempt's, or of one stream, in the order they came.
SELECT * FROM log
WHERE instance = :instance AND key > :after
    AND (:attempt = 0 OR attempt = :attempt) AND (:stream = '' OR stream = :stream)
ORDER BY key
LIMIT :limit;

-- name: last_logs
-- The latest pieces of an attempt's streams, the latest first.
SELECT * FROM log
WHERE instance = :instance AND attempt = :attempt
ORDER BY key DESC
LIMIT :limit;

-- name: is_log_complete
-- Whether an attempt's runner has said that there is no more to come.
SELECT EXISTS (
    SELECT 1 FROM log WHERE instance = :instance AND attempt = :attempt AND final = 1
);

-- name: stored_log_bytes
-- How much all logs take.
SELECT CAST(coalesce(sum(stored), 0) AS BIGINT) FROM log;

-- name: oldest_logs
-- Keys of the oldest pieces and what they take.
SELECT key, stored FROM log ORDER BY key LIMIT :limit;

-- name: drop_logs
-- Removes all pieces up to a key.
DELETE FROM log WHERE key <= :through;

-- name: follow_log
-- Remembers that somebody follows an instance's logs.
INSERT INTO log_follower (instance, until) VALUES (:instance, :until)
ON CONFLICT (instance) DO UPDATE SET until = excluded.until;

-- name: log_followed_until
-- Until when an instance's logs are followed.
SELECT until FROM log_follower WHERE instance = :instance;

-- name: followed_logs
-- Those of some instances whose logs are followed.
-- sqlite:
SELECT instance FROM log_follower
WHERE until > :now AND instance IN (SELECT value FROM json_each(:instances));
-- postgres:
SELECT instance FROM log_follower
WHERE until > :now AND instance = ANY(CAST(:instances AS BIGINT[]));

-- name: purge_logs
-- Removes an instance's logs.
DELETE FROM log WHERE instance = :key;

-- name: purge_followers
-- Removes an instance's followers.
DELETE FROM log_follower WHERE instance = :key;

-- name: prune_logs
-- Removes the logs of some instances.
-- sqlite:
DELETE FROM log WHERE instance IN (SELECT value FROM json_each(:keys));
-- postgres:
DELETE FROM log WHERE instance = ANY(CAST(:keys AS BIGINT[]));

-- name: prune_followers
-- Removes the followers of some instances.
-- sqlite:
DELETE FROM log_follower WHERE instance IN (SELECT value FROM json_each(:keys));
-- postgres:
DELETE FROM log_follower WHERE instance = ANY(CAST(:keys AS BIGINT[]));
