-- The processes that share the database, each with the leases under which it serves cached values. Every row is written
-- four times a second, in place.
CREATE TABLE instances (
    name text PRIMARY KEY,
    beat bigint NOT NULL,
    epoch bigint NOT NULL,
    redis bigint NOT NULL,
    memory bigint NOT NULL,
    revokes boolean NOT NULL
) WITH (fillfactor = 50);
