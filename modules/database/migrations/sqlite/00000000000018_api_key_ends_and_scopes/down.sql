DROP INDEX api_keys_by_end;
ALTER TABLE api_keys DROP COLUMN scopes;
ALTER TABLE api_keys DROP COLUMN expires_at;
