-- Words and the order of names come from the program, for every script and the same on every database. What is stored already
-- is entered by the program at the start, a batch at a time; `product_rebuild` says how far it is, and goes when all is done.
-- The index `products_by_name` is made then.
DROP INDEX products_by_name;
ALTER TABLE products ADD COLUMN name_key BLOB NOT NULL DEFAULT x'';

-- A name that was changed by hand: the next commit of the service makes its key. x'' is the key of no name.
CREATE TRIGGER products_name_changed AFTER UPDATE OF name ON products
    WHEN OLD.name <> NEW.name AND OLD.name_key = NEW.name_key
BEGIN
    UPDATE products SET name_key = x'' WHERE id = NEW.id;
END;

-- Every word begins with its organization, in 16 characters, so that a search within one reads the words of no other. What
-- begins with up to three characters after those has a list of its own. Nothing is kept but which products have a word:
-- where in the texts it is, is seen in the texts.
DROP VIEW product_texts;
DROP TABLE product_search;
CREATE VIRTUAL TABLE product_search USING fts5 (
    words,
    content = '', contentless_delete = 1, detail = none, prefix = '17 18 19',
    tokenize = "ascii tokenchars '!$+<=>^`|~'"
);
DELETE FROM search_pending;

CREATE TABLE product_rebuild (
    singleton INTEGER PRIMARY KEY NOT NULL CHECK (singleton = 1),
    last_id   INTEGER NOT NULL,
    done      INTEGER NOT NULL
) STRICT;
INSERT INTO product_rebuild VALUES (1, 0, 0);

-- Cached pages are in the old order and of the old words.
UPDATE copy_epoch SET epoch = epoch + 1 WHERE EXISTS (SELECT 1 FROM products);
