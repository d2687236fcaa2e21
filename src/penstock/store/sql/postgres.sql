-- What only PostgreSQL is asked, since only there others write to the same database.

-- name: enter
-- Takes the locks of a batch, in ascending order, so that no two servers wait for one another.
-- Answers the time by the database's clock, once all are had, and the keys.
SELECT
    CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT), locks.keys, locks.number
FROM (
    SELECT array_agg(wanted.key) AS keys, count(pg_advisory_xact_lock(wanted.key)) AS number
    FROM (
        SELECT unnest(CAST(:keys AS BIGINT[])) AS key
        UNION
        SELECT key FROM pipeline WHERE id = ANY(CAST(:ids AS TEXT[]))
        ORDER BY key
    ) AS wanted
) AS locks;

-- name: pipelines
-- Some pipelines, by key or by id.
SELECT * FROM pipeline
WHERE key = ANY(CAST(:keys AS BIGINT[])) OR id = ANY(CAST(:ids AS TEXT[]));

-- name: tasks
-- Some attempts, each with its instance.
SELECT instance.*, attempt.* FROM attempt
JOIN instance ON instance.key = attempt.instance
WHERE (attempt.instance, attempt.number) IN (
    SELECT * FROM unnest(CAST(:instances AS BIGINT[]), CAST(:numbers AS BIGINT[]))
);

-- name: components_of
-- The components' rows of some instances.
SELECT component.* FROM component
WHERE (component.pipeline, component.id) IN (
    SELECT instance.pipeline, instance.component FROM instance
    WHERE instance.key = ANY(CAST(:instances AS BIGINT[]))
);

-- name: try_locks
-- Takes those of the locks that nobody has, without waiting for the others; answers which.
SELECT wanted.key FROM unnest(CAST(:keys AS BIGINT[])) AS wanted (key)
WHERE pg_try_advisory_xact_lock(wanted.key);

-- name: announce
-- Tells all servers, at the commit, that a queue has tasks.
SELECT pg_notify('penstock', :queue);

-- name: prove_listening
-- Tells a server that its ears work: what is heard is what was said here.
SELECT pg_notify('penstock', :word);

-- name: enlist
-- A running server is known by this lock, which its session keeps as long as it lives.
SELECT pg_advisory_lock_shared(:key);

-- name: be_alone
-- Waits until no server runs, and keeps others from starting until the transaction ends.
SELECT pg_advisory_xact_lock(:key);

-- name: suitability
-- Whether this database takes changes at all: a replica does not, nor one that is set not to.
SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on';
