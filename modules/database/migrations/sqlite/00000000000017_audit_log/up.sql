-- Who did what. Users and what was acted on may be gone, so nothing here refers to a row of another table.
CREATE TABLE audit_log (
    id              INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    at              INTEGER NOT NULL,
    action          TEXT    NOT NULL,
    -- 'access' or 'change': see what is kept for how long.
    kind            TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,
    user_id         INTEGER,
    email           TEXT,
    credential      TEXT,
    organization_id INTEGER,
    target          TEXT,
    detail          TEXT,
    origin          TEXT,
    request_id      TEXT,
    count           INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_log_by_time ON audit_log (at, id);
CREATE INDEX audit_log_of_organization ON audit_log (organization_id, at, id);
CREATE INDEX audit_log_of_access ON audit_log (id) WHERE kind = 'access';
