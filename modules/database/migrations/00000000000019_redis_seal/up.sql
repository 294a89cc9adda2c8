-- The secret with which the service seals what it leaves in Redis, where the configuration has none: all processes of this database
-- have the same one. Made when it is needed for the first time.
CREATE TABLE redis_seal (
    singleton INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    secret    BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT;
