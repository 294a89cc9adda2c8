-- AUTOINCREMENT everywhere: an id is never given twice. The rows with id 1 are built in; products of the time before
-- belong to them already.
CREATE TABLE organizations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO organizations VALUES (1, 'Built-in organization', CAST(unixepoch('subsec') * 1000 AS INTEGER));

-- `fields` is the list of them as JSON.
CREATE TABLE schemas (
    id              INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    name            TEXT    NOT NULL,
    fields          TEXT    NOT NULL,
    version         INTEGER NOT NULL CHECK (version > 0)
) STRICT;
INSERT INTO schemas VALUES (1, 1, 'Built-in schema', '[]', 1);

-- Of products that have any; `fields` is a JSON object. Beside the product's row, which so stays small.
CREATE TABLE product_details (
    product_id INTEGER PRIMARY KEY NOT NULL REFERENCES products (id),
    fields     TEXT    NOT NULL
) STRICT;

CREATE TABLE product_images (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    url        TEXT    NOT NULL,
    alt        TEXT    NOT NULL,
    position   INTEGER NOT NULL CHECK (position >= 0)
) STRICT;

CREATE INDEX product_images_in_order ON product_images (product_id, position, id);
