-- What only PostgreSQL is asked, since only there others write to the same database.

-- name: enter
-- Takes the locks of a batch, in ascending order, so that no two servers wait for one another, and
-- answers the time by the database's clock, once all are had.
SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT), taken.number
FROM (
    SELECT count(pg_advisory_xact_lock(wanted.key)) AS number FROM (
        SELECT unnest(CAST(:keys AS BIGINT[])) AS key
        UNION
        SELECT key FROM pipeline WHERE id = ANY(CAST(:ids AS TEXT[]))
        ORDER BY key
    ) AS wanted
) AS taken;
