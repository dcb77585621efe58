-- Who did what: docs/adr/0037-an-audit-trail-that-is-only-appended-to.md. Of no net, as replicas is.
CREATE TABLE audit_trail (
    number BIGINT NOT NULL PRIMARY KEY, -- 1, 2, 3, …
    entry  TEXT   NOT NULL,             -- JSON, exactly as it is hashed
    hash   BYTEA  NOT NULL              -- over this entry and the hash before it
);

CREATE TRIGGER audit_trail_is_not_changed BEFORE UPDATE ON audit_trail
BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;

CREATE TRIGGER audit_trail_is_not_deleted BEFORE DELETE ON audit_trail
BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;
