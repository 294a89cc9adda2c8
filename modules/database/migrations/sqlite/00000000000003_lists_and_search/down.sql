DROP TRIGGER products_search_changed;
DROP TRIGGER products_search_created;
DROP TABLE search_pending;
DROP TABLE product_search;
DROP VIEW product_texts;
DROP TRIGGER products_counted_out;
DROP TRIGGER products_counted_in;
DROP TABLE product_counts;
DROP TABLE organization_counts;
DROP INDEX products_of_category_by_price;
DROP INDEX products_of_category;
DROP INDEX products_of_schema;
DROP INDEX products_of_organization;
DROP INDEX products_live;
CREATE INDEX products_live ON products (id) WHERE deleted_at IS NULL;
DROP INDEX products_by_updated_at;
DROP INDEX products_by_created_at;
DROP INDEX products_by_stock;
DROP INDEX products_by_price;
DROP INDEX products_by_name;

CREATE TABLE catalogue_totals (
    singleton     INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    live_products INTEGER NOT NULL
) STRICT;
INSERT INTO catalogue_totals SELECT 1, count(*) FROM products WHERE deleted_at IS NULL;
CREATE TRIGGER products_created AFTER INSERT ON products WHEN NEW.deleted_at IS NULL
BEGIN
    UPDATE catalogue_totals SET live_products = live_products + 1;
END;
CREATE TRIGGER products_deleted AFTER UPDATE OF deleted_at ON products
    WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
BEGIN
    UPDATE catalogue_totals SET live_products = live_products - 1;
END;
