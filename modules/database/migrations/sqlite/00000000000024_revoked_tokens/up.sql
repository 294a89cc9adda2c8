-- Tokens of an outside issuer that the service refuses although they have not expired. The hash is of the token's id
-- (`jti`), or of what the issuer has signed of the token if it has none.
CREATE TABLE revoked_tokens (
    token_hash BLOB PRIMARY KEY NOT NULL CHECK (length(token_hash) = 32),
    -- When the token expires, in milliseconds since 1970. NULL if unknown: then the row is kept for ever.
    expires_at INTEGER,
    revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);
