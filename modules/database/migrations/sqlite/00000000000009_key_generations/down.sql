ALTER TABLE api_keys DROP COLUMN generation;
ALTER TABLE users DROP COLUMN key_generation;
