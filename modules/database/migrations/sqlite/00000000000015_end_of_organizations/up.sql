-- Nobody of a suspended organization is let in until it is resumed. One that has ended is gone for everybody. Its
-- products are deleted in batches: `ending` is 1 until the last one is.
ALTER TABLE organizations ADD COLUMN suspended_at INTEGER;
ALTER TABLE organizations ADD COLUMN ended_at INTEGER;
ALTER TABLE organizations ADD COLUMN ending INTEGER NOT NULL DEFAULT 0;
