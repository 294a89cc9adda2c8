-- The secret that seals the values in Redis, if the configuration has none (REDIS_SEAL_KEY). It is in the database, so
-- that all processes on this database use the same one. The first process that needs it creates it.
CREATE TABLE redis_seal (
    singleton INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    secret    BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT;
