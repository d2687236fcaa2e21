-- What attempts have written, a piece to a row: compressed, secrets struck out. `position` and
-- `size` tell which of a stream's bytes it stands for; `stored` is what the row takes here.
CREATE TABLE log (
    key INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    stream TEXT NOT NULL CHECK (stream IN ('activity', 'stdout', 'stderr')),
    position INTEGER NOT NULL CHECK (position >= 0),
    size INTEGER NOT NULL CHECK (size >= 0),
    final INTEGER NOT NULL CHECK (final IN (0, 1)),
    at INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    content BLOB NOT NULL
);

CREATE INDEX log_instance ON log (instance, key);

-- For the sum: contents lie elsewhere then.
CREATE INDEX log_stored ON log (stored);

-- Whose logs somebody follows, until when: their runners send what is new at once.
CREATE TABLE log_follower (
    instance INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
);
