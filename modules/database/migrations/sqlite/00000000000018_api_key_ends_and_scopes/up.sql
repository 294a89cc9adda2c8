-- NULL: never.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
-- The areas that the key may use, such as 'products,schemas'. NULL: all, also those of later versions.
ALTER TABLE api_keys ADD COLUMN scopes TEXT;
CREATE INDEX api_keys_by_end ON api_keys (expires_at) WHERE expires_at IS NOT NULL;
