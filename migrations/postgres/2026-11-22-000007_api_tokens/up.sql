-- Who may call. Rows are never removed, so that a name in a log means the same caller for ever.
CREATE TABLE api_tokens (
    id            bigint PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('reader', 'operator', 'admin')),
    -- SHA-256 of the token's text, which is kept nowhere.
    hash          bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);

-- An operator is shown his own runs and the service's.
CREATE INDEX sync_logs_requested_by ON sync_logs (requested_by, id);
