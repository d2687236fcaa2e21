-- What the console shows: newest first, in pages, and never more than a page asks for.

-- name: lines_before
-- A page of a pipeline's history, the latest line (greatest key) first.
SELECT key, pipeline, component, start, attempt, at, what, detail, user_name FROM event
WHERE pipeline = :pipeline AND key < :before
ORDER BY key DESC
LIMIT :limit;

-- name: lines_of_component_before
-- The same of a component and all its instances.
SELECT key, pipeline, component, start, attempt, at, what, detail, user_name FROM event
WHERE pipeline = :pipeline AND component = :component AND key < :before
ORDER BY key DESC
LIMIT :limit;

-- name: lines_of_instance_before
-- The same of one instance.
SELECT key, pipeline, component, start, attempt, at, what, detail, user_name FROM event
WHERE pipeline = :pipeline AND component = :component AND start = :start AND key < :before
ORDER BY key DESC
LIMIT :limit;

-- name: pipelines_before
-- A page of an account's living pipelines, the newest first.
SELECT * FROM pipeline
WHERE account_id = :account_id AND key < :before AND deleted_at IS NULL
ORDER BY key DESC
LIMIT :limit;

-- name: status_counts
-- How many unfinished instances stand how, and how many failed; each count stops at :most.
SELECT status, count(*) FROM (
    SELECT status FROM instance WHERE pipeline = :pipeline AND ended_at IS NULL LIMIT :most
) AS unfinished
GROUP BY status
UNION ALL
SELECT 'FAILED', count(*) FROM (
    SELECT 1 FROM instance
    WHERE pipeline = :pipeline AND status IN ('FAILED', 'CASCADE_FAILED', 'TIMEDOUT')
    LIMIT :most
) AS failed;

-- name: recent_starts
-- The latest interval starts of a pipeline's instances, each once, the latest first. Among the
-- ended ones each is one step down the index, however many instances share it.
WITH RECURSIVE recent (start, number) AS (
    SELECT
        (SELECT max(start) FROM instance WHERE pipeline = :pipeline AND ended_at IS NOT NULL), 1
    UNION ALL
    SELECT
        (
            SELECT max(instance.start) FROM instance
            WHERE instance.pipeline = :pipeline AND instance.ended_at IS NOT NULL
                AND instance.start < recent.start
        ),
        recent.number + 1
    FROM recent
    WHERE recent.start IS NOT NULL AND recent.number < :limit
)
SELECT start FROM recent WHERE start IS NOT NULL
UNION
SELECT start FROM instance WHERE pipeline = :pipeline AND ended_at IS NULL
ORDER BY start DESC
LIMIT :limit;

-- name: latest_of_component
-- The latest instances of one component, the latest first.
SELECT * FROM instance
WHERE pipeline = :pipeline AND component = :component
ORDER BY start DESC
LIMIT :limit;

-- name: tasks_before
-- A page of a pipeline's instances with their latest attempts, the latest first.
WITH page (key) AS (
    SELECT key FROM (
        SELECT key, start FROM instance
        WHERE pipeline = :pipeline AND ended_at IS NOT NULL AND (start, key) < (:start, :key)
        ORDER BY start DESC, key DESC
        LIMIT :limit
    ) AS ended
    UNION ALL
    SELECT key FROM (
        SELECT key, start FROM instance
        WHERE pipeline = :pipeline AND ended_at IS NULL AND (start, key) < (:start, :key)
        ORDER BY start DESC, key DESC
        LIMIT :limit
    ) AS unfinished
)
SELECT instance.*, attempt.* FROM page
JOIN instance ON instance.key = page.key
LEFT JOIN attempt ON attempt.instance = instance.key AND attempt.number = instance.attempts
ORDER BY instance.start DESC, instance.key DESC
LIMIT :limit;

-- name: failed_before
-- Such a page of those that failed.
SELECT instance.*, attempt.* FROM instance
LEFT JOIN attempt ON attempt.instance = instance.key AND attempt.number = instance.attempts
WHERE instance.pipeline = :pipeline AND (instance.start, instance.key) < (:start, :key)
    AND instance.status IN ('FAILED', 'CASCADE_FAILED', 'TIMEDOUT')
ORDER BY instance.start DESC, instance.key DESC
LIMIT :limit;

-- name: unfinished_before
-- Such a page of those that are unfinished.
SELECT instance.*, attempt.* FROM instance
LEFT JOIN attempt ON attempt.instance = instance.key AND attempt.number = instance.attempts
WHERE instance.pipeline = :pipeline AND (instance.start, instance.key) < (:start, :key)
    AND instance.ended_at IS NULL
ORDER BY instance.start DESC, instance.key DESC
LIMIT :limit;
