-- Keys of an earlier generation have ended, whether their rows are still there or not.
ALTER TABLE users ADD COLUMN key_generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
