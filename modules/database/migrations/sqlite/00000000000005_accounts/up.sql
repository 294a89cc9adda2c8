CREATE TABLE users (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    email              TEXT    NOT NULL UNIQUE,
    -- NULL until somebody who was added by another has chosen a password.
    password_hash      TEXT,
    organization_id    INTEGER NOT NULL REFERENCES organizations (id),
    role               TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    -- Sessions of an earlier generation have ended, whether their rows are still there or not.
    session_generation INTEGER NOT NULL DEFAULT 1,
    created_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX users_of_organization ON users (organization_id, id);

-- Of every secret only the SHA-256 is kept. They have 256 random bits, so nothing slower is needed.
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    token_hash   BLOB    NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation   INTEGER NOT NULL,
    client       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    token_hash   BLOB    NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_of_user ON api_keys (user_id, id);

CREATE TABLE password_resets (
    token_hash BLOB    PRIMARY KEY NOT NULL,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX password_resets_of_user ON password_resets (user_id);
