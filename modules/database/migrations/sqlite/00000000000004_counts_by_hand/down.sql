DROP TRIGGER products_search_removed;
DROP TRIGGER products_counted_out;
DROP TRIGGER products_counted_over;
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
    DELETE FROM product_counts WHERE organization_id = OLD.organization_id AND schema_id = OLD.schema_id
        AND category = OLD.category AND live = 0;
END;
