DROP INDEX schemas_of_organization;
ALTER TABLE organizations DROP COLUMN quota_schemas;
ALTER TABLE organizations DROP COLUMN quota_users;
ALTER TABLE organizations DROP COLUMN quota_products;
