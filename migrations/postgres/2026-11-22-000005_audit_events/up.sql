-- What operators changed. Rows are added and never touched again.
CREATE TABLE audit_events (
    id       bigint PRIMARY KEY,
    at       timestamptz NOT NULL,
    caller   text NOT NULL,
    role     text NOT NULL CHECK (role IN ('reader', 'operator', 'admin')),
    address  text NOT NULL DEFAULT '',
    action   text NOT NULL,
    subject  text NOT NULL DEFAULT '',
    -- An array of {field, before, after}; secrets are masked before they come here.
    changes  json NOT NULL
);
CREATE INDEX audit_events_caller ON audit_events (caller, id);
CREATE INDEX audit_events_action ON audit_events (action, id);
CREATE INDEX audit_events_subject ON audit_events (subject, id);

CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING MESSAGE = 'an audit event cannot be changed or removed';
END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_append_only();
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only();
