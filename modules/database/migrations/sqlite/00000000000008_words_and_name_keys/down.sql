DROP TABLE IF EXISTS product_rebuild;
DROP TRIGGER products_name_changed;
DROP INDEX IF EXISTS products_by_name;
ALTER TABLE products DROP COLUMN name_key;
CREATE INDEX products_by_name ON products (organization_id, name COLLATE NOCASE, id, schema_id, category, deleted_at)
    WHERE deleted_at IS NULL;
DROP TABLE product_search;
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
DELETE FROM search_pending;
