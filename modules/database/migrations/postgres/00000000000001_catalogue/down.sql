DROP TABLE audit_log, removed_users, revoked_tokens, invitations, address_proofs, password_resets, api_keys, sessions,
    users, redis_seal, write_probe, group_writers, database_history, copy_epoch, read_counts, product_images, product_details,
    product_search, product_counts, organization_counts, products, schemas, organizations;
