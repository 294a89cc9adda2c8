-- What an organization may have at most; NULL where the setting of the service decides.
ALTER TABLE organizations ADD COLUMN quota_products INTEGER CHECK (quota_products >= 0);
ALTER TABLE organizations ADD COLUMN quota_users INTEGER CHECK (quota_users >= 0);
ALTER TABLE organizations ADD COLUMN quota_schemas INTEGER CHECK (quota_schemas >= 0);
CREATE INDEX schemas_of_organization ON schemas (organization_id);
