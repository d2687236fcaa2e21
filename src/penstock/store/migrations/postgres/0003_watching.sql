-- What people watch: the newest instances first, and what failed. Both stay quick in a pipeline
-- with a million instances.

CREATE INDEX instance_ended ON instance (pipeline, start) WHERE ended_at IS NOT NULL;

CREATE INDEX instance_failed ON instance (pipeline, start)
WHERE status IN ('FAILED', 'CASCADE_FAILED', 'TIMEDOUT');
