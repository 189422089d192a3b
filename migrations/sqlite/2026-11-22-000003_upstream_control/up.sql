-- What an operator holds back. Every replica reads it every second; a row goes when its pause ends.
CREATE TABLE upstream_pauses (
    target     text PRIMARY KEY NOT NULL
        CHECK (target IN ('open-platform', 'order-system', 'order-push')),
    reason     text NOT NULL DEFAULT '',
    until_at   text,
    paused_by  text NOT NULL DEFAULT '',
    since      text NOT NULL
);

-- What each replica last said of itself. A row goes when its replica stops, or was silent for a while.
CREATE TABLE replicas (
    name        text PRIMARY KEY NOT NULL,
    version     text NOT NULL,
    started_at  text NOT NULL,
    seen_at     text NOT NULL,
    status      json NOT NULL
);
