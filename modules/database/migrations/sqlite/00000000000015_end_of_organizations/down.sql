ALTER TABLE organizations DROP COLUMN ending;
ALTER TABLE organizations DROP COLUMN ended_at;
ALTER TABLE organizations DROP COLUMN suspended_at;
