-- Orders. One index serves both directions and every cursor of an order, within one organization; a list over several
-- organizations merges theirs. `id` comes second, as ties go by id; schema and category ride along, so that passing
-- over products of others costs no look at their rows, and so does `deleted_at`, always NULL here, because the database
-- would look it up all the same. There are none over the whole catalogue: they would double what a write costs.
CREATE INDEX products_by_name ON products (organization_id, name COLLATE NOCASE, id, schema_id, category, deleted_at)
    WHERE deleted_at IS NULL;
CREATE INDEX products_by_price ON products (organization_id, price, id, schema_id, category, deleted_at)
    WHERE deleted_at IS NULL;
CREATE INDEX products_by_stock ON products (organization_id, stock, id, schema_id, category, deleted_at)
    WHERE deleted_at IS NULL;
CREATE INDEX products_by_created_at ON products (organization_id, created_at, id, schema_id, category, deleted_at)
    WHERE deleted_at IS NULL;
CREATE INDEX products_by_updated_at ON products (organization_id, updated_at, id, schema_id, category, deleted_at)
    WHERE deleted_at IS NULL;

-- Members, in order of id. Ids grow, so a new product goes to the end of its run, which is in memory already. Categories
-- also have one by price: prices go with categories, so that of the organization may have a category's all at its end.
DROP INDEX products_live;
CREATE INDEX products_live ON products (id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX products_of_organization ON products (organization_id, id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX products_of_schema ON products (schema_id, id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX products_of_category ON products (organization_id, category, id, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX products_of_category_by_price ON products (organization_id, category, price, id, schema_id, deleted_at)
    WHERE deleted_at IS NULL;

-- How many live products there are, and how many of them are in stock: no list has to count them.
DROP TRIGGER products_created;
DROP TRIGGER products_deleted;
DROP TABLE catalogue_totals;

CREATE TABLE organization_counts (
    organization_id INTEGER PRIMARY KEY NOT NULL,
    live            INTEGER NOT NULL CHECK (live >= 0),
    in_stock        INTEGER NOT NULL CHECK (in_stock >= 0)
) STRICT;

CREATE TABLE product_counts (
    organization_id INTEGER NOT NULL,
    schema_id       INTEGER NOT NULL,
    category        TEXT    NOT NULL,
    live            INTEGER NOT NULL CHECK (live >= 0),
    in_stock        INTEGER NOT NULL CHECK (in_stock >= 0),
    PRIMARY KEY (organization_id, schema_id, category)
) STRICT, WITHOUT ROWID;
CREATE INDEX product_counts_of_schema ON product_counts (schema_id);
CREATE INDEX product_counts_of_category ON product_counts (category);

INSERT INTO product_counts
    SELECT organization_id, schema_id, category, count(*), sum(stock > 0)
    FROM products WHERE deleted_at IS NULL GROUP BY organization_id, schema_id, category;
INSERT INTO organization_counts
    SELECT organization_id, sum(live), sum(in_stock) FROM product_counts GROUP BY organization_id;

-- Without an upsert: its update could abort by itself, and for that SQLite would set aside every page that an insert
-- into `products` touches.
CREATE TRIGGER products_counted_in AFTER INSERT ON products WHEN NEW.deleted_at IS NULL
BEGIN
    INSERT INTO product_counts SELECT NEW.organization_id, NEW.schema_id, NEW.category, 0, 0
        WHERE NOT EXISTS (SELECT 1 FROM product_counts WHERE organization_id = NEW.organization_id
            AND schema_id = NEW.schema_id AND category = NEW.category);
    UPDATE product_counts SET live = live + 1, in_stock = in_stock + (NEW.stock > 0)
        WHERE organization_id = NEW.organization_id AND schema_id = NEW.schema_id AND category = NEW.category;
    INSERT INTO organization_counts SELECT NEW.organization_id, 0, 0
        WHERE NOT EXISTS (SELECT 1 FROM organization_counts WHERE organization_id = NEW.organization_id);
    UPDATE organization_counts SET live = live + 1, in_stock = in_stock + (NEW.stock > 0)
        WHERE organization_id = NEW.organization_id;
END;
CREATE TRIGGER products_counted_out AFTER UPDATE OF organization_id, schema_id, category, stock, deleted_at ON products
    WHEN OLD.deleted_at IS NULL AND (
        NEW.deleted_at IS NOT NULL OR (OLD.stock > 0) <> (NEW.stock > 0) OR OLD.category <> NEW.category
        OR OLD.schema_id <> NEW.schema_id OR OLD.organization_id <> NEW.organization_id)
BEGIN
    UPDATE product_counts SET live = live - 1, in_stock = in_stock - (OLD.stock > 0)
        WHERE organization_id = OLD.organization_id AND schema_id = OLD.schema_id AND category = OLD.category;
    UPDATE organization_counts SET live = live - 1, in_stock = in_stock - (OLD.stock > 0)
        WHERE organization_id = OLD.organization_id;
    INSERT INTO product_counts
        SELECT NEW.organization_id, NEW.schema_id, NEW.category, 1, NEW.stock > 0 WHERE NEW.deleted_at IS NULL
        ON CONFLICT DO UPDATE SET live = live + 1, in_stock = in_stock + excluded.in_stock;
    INSERT INTO organization_counts SELECT NEW.organization_id, 1, NEW.stock > 0 WHERE NEW.deleted_at IS NULL
        ON CONFLICT DO UPDATE SET live = live + 1, in_stock = in_stock + excluded.in_stock;
    -- Or the categories that anybody ever tried would be kept for ever.
    DELETE FROM product_counts WHERE organization_id = OLD.organization_id AND schema_id = OLD.schema_id
        AND category = OLD.category AND live = 0;
END;

-- What can be searched. `scope` holds the numbers of the organization and the schema and the category letter by letter
-- as words of their own, so that a search within them meets nobody else's products.
CREATE VIEW product_texts AS
    SELECT id, name, description, category,
        'o' || organization_id || ' s' || schema_id || ' c' || hex(category) AS scope
    FROM products WHERE deleted_at IS NULL;
CREATE VIRTUAL TABLE product_search USING fts5 (
    name, description, category, scope,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO product_search (rowid, name, description, category, scope)
    SELECT id, name, description, category, scope FROM product_texts;

-- Products whose texts have changed in this transaction. The writer enters them into the index before it commits, all
-- at once: one by one from a trigger, each would make a segment of the index of its own, at ten times the cost.
CREATE TABLE search_pending (
    id      INTEGER PRIMARY KEY NOT NULL,
    indexed INTEGER NOT NULL
) STRICT;
CREATE TRIGGER products_search_created AFTER INSERT ON products WHEN NEW.deleted_at IS NULL
BEGIN
    INSERT INTO search_pending VALUES (NEW.id, FALSE) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER products_search_changed
    AFTER UPDATE OF name, description, category, organization_id, schema_id, deleted_at ON products
    WHEN OLD.name <> NEW.name OR OLD.description <> NEW.description OR OLD.category <> NEW.category
        OR OLD.organization_id <> NEW.organization_id OR OLD.schema_id <> NEW.schema_id
        OR OLD.deleted_at IS NOT NEW.deleted_at
BEGIN
    INSERT INTO search_pending VALUES (NEW.id, TRUE) ON CONFLICT DO NOTHING;
END;
