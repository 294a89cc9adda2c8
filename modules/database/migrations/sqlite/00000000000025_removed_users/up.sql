-- Addresses of users who were removed. A token of an outside issuer that was issued before the removal creates no user
-- with such an address.
CREATE TABLE removed_users (
    -- The SHA-256 of the address: the address itself is not kept.
    email_hash BLOB PRIMARY KEY NOT NULL CHECK (length(email_hash) = 32),
    -- In milliseconds since 1970.
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
