-- Who gave a command: the name of the account's user, empty for what happened by itself. And a way
-- to read a pipeline's history from its latest line backwards: its lines lie together in that
-- index, in the order of their keys.

ALTER TABLE event ADD COLUMN user_name TEXT NOT NULL DEFAULT '';

CREATE INDEX event_pipeline ON event (pipeline, key);
