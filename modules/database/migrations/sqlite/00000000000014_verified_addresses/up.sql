-- When the user has proven to read the mail to the address, or an admin vouched for it; NULL until then. Users of before this
-- migration count as verified.
ALTER TABLE users ADD COLUMN verified_at INTEGER;
UPDATE users SET verified_at = created_at;
CREATE INDEX users_unverified ON users (created_at) WHERE verified_at IS NULL;

-- What a mail lets a user prove the address by.
CREATE TABLE address_proofs (
    token_hash BLOB    PRIMARY KEY NOT NULL,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX address_proofs_of_user ON address_proofs (user_id);

-- Each lets one person register, in the organization or, with `founds`, in a new one. AUTOINCREMENT: an id is never given twice.
CREATE TABLE invitations (
    id              INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    token_hash      BLOB    NOT NULL UNIQUE,
    email           TEXT    NOT NULL,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    founds          INTEGER NOT NULL CHECK (founds IN (0, 1)),
    role            TEXT    NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    invited_by      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX invitations_of_organization ON invitations (organization_id, id);
CREATE INDEX invitations_of_user ON invitations (invited_by);
