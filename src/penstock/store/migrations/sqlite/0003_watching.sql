-- What people watch: the newest instances first, and what failed. Both stay quick in a pipeline
-- with a million instances. They hold what has ended only: an index over all instances of a
-- pipeline would draw the planner away from instance_unfinished, on which the engine's questions
-- depend.

CREATE INDEX instance_ended ON instance (pipeline, start) WHERE ended_at IS NOT NULL;

CREATE INDEX instance_failed ON instance (pipeline, start)
WHERE status IN ('FAILED', 'CASCADE_FAILED', 'TIMEDOUT');
