-- How often products are read, of those that are read most: what to warm the cache with after a restart. No reference
-- to the product: the counts are written in one go, and one of a product that is gone does no harm.
CREATE TABLE read_counts (
    product_id INTEGER PRIMARY KEY NOT NULL,
    reads      INTEGER NOT NULL CHECK (reads > 0)
) STRICT;
