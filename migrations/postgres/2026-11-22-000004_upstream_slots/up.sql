-- The budget of calls, one row a system and account, which all replicas draw on. Instants are microseconds since 1970 by
-- this database's clock. Updated a hundred times a second, so the page is left room and swept often.
CREATE TABLE upstream_slots (
    account     text PRIMARY KEY,
    next_slot   bigint NOT NULL DEFAULT 0,
    bulk_last   bigint NOT NULL DEFAULT 0,
    held_until  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- The token in use by all replicas of an account, sealed under a key that only holders of its client secret can derive;
-- and who is fetching the next one, until when.
CREATE TABLE upstream_tokens (
    account      text PRIMARY KEY,
    sealed       bytea,
    fetcher      text,
    lease_until  timestamptz
);
