-- What operators changed. Rows are added and never touched again.
CREATE TABLE audit_events (
    id       integer PRIMARY KEY NOT NULL,
    at       text NOT NULL,
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

CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'CHECK: an audit event cannot be changed'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'CHECK: an audit event cannot be removed'); END;
