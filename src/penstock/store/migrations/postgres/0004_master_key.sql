-- Which master key encrypts what is secret here: a fingerprint, from which the key cannot be found.
-- Servers that share a database must share that key; one with another would make secrets that the
-- rest cannot read.
CREATE TABLE master_key (
    fingerprint TEXT NOT NULL
);
