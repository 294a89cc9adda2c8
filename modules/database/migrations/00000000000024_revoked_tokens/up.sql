-- Tokens of an outside issuer that are refused although they have not ended, each by a hash of its id, or of itself.
CREATE TABLE revoked_tokens (
    token_hash BLOB PRIMARY KEY NOT NULL CHECK (length(token_hash) = 32),
    -- From then on the token has ended by itself, in milliseconds since 1970. NULL where nobody knows.
    expires_at INTEGER,
    revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);
