-- Money in minor units, times in milliseconds since 1970 UTC. AUTOINCREMENT: an id is never given twice.
CREATE TABLE products (
    id              INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name            TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    price           INTEGER NOT NULL CHECK (price > 0),
    stock           INTEGER NOT NULL CHECK (stock >= 0),
    category        TEXT    NOT NULL,
    organization_id INTEGER NOT NULL,
    schema_id       INTEGER NOT NULL,
    version         INTEGER NOT NULL CHECK (version > 0),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    deleted_at      INTEGER
) STRICT;

-- Pages of live products are found, and skipped over, in this index alone.
CREATE INDEX products_live ON products (id) WHERE deleted_at IS NULL;

-- The number of live products, kept by the triggers, so that no list has to count.
CREATE TABLE catalogue_totals (
    singleton     INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    live_products INTEGER NOT NULL
) STRICT;
INSERT INTO catalogue_totals VALUES (1, 0);

CREATE TRIGGER products_created AFTER INSERT ON products WHEN NEW.deleted_at IS NULL
BEGIN
    UPDATE catalogue_totals SET live_products = live_products + 1;
END;
CREATE TRIGGER products_deleted AFTER UPDATE OF deleted_at ON products
    WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
BEGIN
    UPDATE catalogue_totals SET live_products = live_products - 1;
END;

-- Copies of rows that are kept elsewhere carry the epoch they were made in; those of an older epoch are void.
-- `server` names the one server whose memory goes with this epoch, '' when there is none.
CREATE TABLE copy_epoch (
    singleton INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    epoch     INTEGER NOT NULL,
    server    TEXT    NOT NULL
) STRICT;
INSERT INTO copy_epoch VALUES (1, 1, '');
