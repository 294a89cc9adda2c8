INSERT INTO product_search (product_search, rank) VALUES ('automerge', 4);
INSERT INTO product_search (product_search, rank) VALUES ('crisismerge', 16);
