-- What an operator holds back. Every replica reads it every second; a row goes when its pause ends.
CREATE TABLE upstream_pauses (
    target     text PRIMARY KEY
        CHECK (target IN ('open-platform', 'order-system', 'order-push')),
    reason     text NOT NULL DEFAULT '',
    until_at   timestamptz,
    paused_by  text NOT NULL DEFAULT '',
    since      timestamptz NOT NULL
);

-- What each replica last said of itself. A row goes when its replica stops, or was silent for a while.
CREATE TABLE replicas (
    name        text PRIMARY KEY,
    version     text NOT NULL,
    started_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    status      json NOT NULL
);
