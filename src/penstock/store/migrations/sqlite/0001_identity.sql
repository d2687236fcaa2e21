-- Who may call: accounts, their users, the users' access keys.
-- Times are milliseconds since the epoch, UTC.

CREATE TABLE account (
    account_id TEXT NOT NULL PRIMARY KEY CHECK (length(account_id) = 12),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Not "user", which is a reserved word of PostgreSQL.
CREATE TABLE account_user (
    user_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (account_id),
    user_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account_id, user_name)
);

-- The secret is encrypted and in base64: the server must have it in clear to check signatures, so a
-- hash would not do, but a copy of the database alone is to be worth nothing.
CREATE TABLE access_key (
    access_key_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES account_user (user_id),
    encrypted_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE INDEX access_key_of_user ON access_key (user_id);

-- One row, whose number grows with every change above, so that a server notices cheaply what
-- another process has changed.
CREATE TABLE identity_version (
    version BIGINT NOT NULL
);

INSERT INTO identity_version (version) VALUES (1);
