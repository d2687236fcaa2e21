-- Accounts, users and access keys.

-- name: insert_account
-- Adds an account.
INSERT INTO account (account_id, name, created_at)
VALUES (:account_id, :name, :created_at);

-- name: insert_user
-- Adds a user to an account that exists.
INSERT INTO account_user (user_id, account_id, user_name, created_at)
VALUES (:user_id, :account_id, :user_name, :created_at);

-- name: insert_key
-- Adds an active access key; its secret arrives encrypted.
INSERT INTO access_key (access_key_id, user_id, encrypted_secret, created_at)
VALUES (:access_key_id, :user_id, :encrypted_secret, :created_at);

-- name: revoke_key
-- Ends a key for good; one that has already ended keeps its time.
UPDATE access_key
SET revoked_at = :revoked_at
WHERE access_key_id = :access_key_id AND revoked_at IS NULL;

-- name: remove_key
-- Forgets a key, active or not.
DELETE FROM access_key
WHERE access_key_id = :access_key_id;

-- name: find_key
-- A key with its user, whether or not it is still active.
SELECT
    k.access_key_id, k.encrypted_secret, k.created_at, k.revoked_at,
    u.user_id, u.user_name, u.account_id
FROM access_key AS k
JOIN account_user AS u ON u.user_id = k.user_id
WHERE k.access_key_id = :access_key_id;

-- name: list_keys
-- All keys with their users, oldest first.
SELECT
    k.access_key_id, k.encrypted_secret, k.created_at, k.revoked_at,
    u.user_id, u.user_name, u.account_id
FROM access_key AS k
JOIN account_user AS u ON u.user_id = k.user_id
ORDER BY k.created_at, k.access_key_id;

-- name: list_accounts
-- All accounts, oldest first.
SELECT account_id, name, created_at
FROM account
ORDER BY created_at, account_id;

-- name: list_users
-- All users, oldest first.
SELECT user_id, account_id, user_name, created_at
FROM account_user
ORDER BY created_at, user_id;

-- name: read_version
-- The number that grows with every change of identity.
SELECT version FROM identity_version;

-- name: raise_version
-- Tells every server that something has changed; in the transaction of the change.
UPDATE identity_version SET version = version + 1;

-- name: master_key
-- The fingerprint of the key that encrypts this database's secrets, if any server has been here.
SELECT fingerprint FROM master_key;

-- name: put_master_key
-- Remembers it.
INSERT INTO master_key (fingerprint) VALUES (:fingerprint);
