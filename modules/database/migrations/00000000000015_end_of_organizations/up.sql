-- Of a suspended organization, nobody is let in until it is resumed. One that has ended is gone for everybody; its products go in
-- batches, and when the last is gone, so is `ending`.
ALTER TABLE organizations ADD COLUMN suspended_at INTEGER;
ALTER TABLE organizations ADD COLUMN ended_at INTEGER;
ALTER TABLE organizations ADD COLUMN ending INTEGER NOT NULL DEFAULT 0;
