-- Which history of the database this is: names that were given in another one (versions, ids, epochs) mean nothing here.
CREATE TABLE database_history (
    singleton INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    -- Random. 0 until the database is opened for the first time after this migration.
    history   INTEGER NOT NULL,
    -- Groups of writes that were committed, so that of two copies of the file it is known which one is older.
    commits   INTEGER NOT NULL,
    -- The process that may write alone; NULL when several share the database.
    writer    INTEGER
) STRICT;
INSERT INTO database_history VALUES (1, 0, 0, NULL);
