DROP TABLE copy_epoch;
DROP TRIGGER products_deleted;
DROP TRIGGER products_created;
DROP TABLE catalogue_totals;
DROP TABLE products;
