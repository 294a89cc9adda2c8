-- What the service writes to find out whether it still can, when nobody else writes. It changes each time, for SQLite writes nothing
-- where nothing changes.
CREATE TABLE write_probe (
    singleton INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    probes    INTEGER NOT NULL
) STRICT;
INSERT INTO write_probe (singleton, probes) VALUES (1, 0);
