-- One row a run, by a time-ordered id.
CREATE TABLE sync_logs (
    id                integer PRIMARY KEY NOT NULL,
    sync_type         text NOT NULL
        CHECK (sync_type IN ('products', 'prices', 'stock', 'order', 'logistics', 'manual')),
    status            text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'processing', 'success', 'failed', 'partial')),
    end_reason        text,
    message           text NOT NULL DEFAULT '',
    message_parts     json,
    total_count       bigint NOT NULL DEFAULT 0 CHECK (total_count >= 0),
    success_count     bigint NOT NULL DEFAULT 0 CHECK (success_count >= 0),
    failed_count      bigint NOT NULL DEFAULT 0 CHECK (failed_count >= 0),
    planned_count     bigint CHECK (planned_count >= 0),
    "trigger"         text NOT NULL,
    requested_by      text NOT NULL DEFAULT '',
    parent_id         bigint,
    account           text NOT NULL,
    -- What the run was asked to do, for a run that repeats it. NULL for what is no run.
    request           json,
    created_at        text NOT NULL,
    started_at        text,
    completed_at      text,
    CONSTRAINT sync_logs_end CHECK (
        (status IN ('pending', 'processing')) = (end_reason IS NULL)
        AND (end_reason IS NULL) = (completed_at IS NULL)
    ),
    CONSTRAINT sync_logs_started CHECK ((status = 'processing') <= (started_at IS NOT NULL)),
    CONSTRAINT sync_logs_times CHECK (completed_at IS NULL OR started_at IS NULL OR completed_at >= started_at),
    CONSTRAINT sync_logs_counts CHECK (end_reason IS NULL OR total_count = success_count + failed_count),
    CONSTRAINT sync_logs_outcome CHECK (
        end_reason IS NULL
        OR status = CASE
            WHEN end_reason = 'COMPLETED' AND failed_count = 0 THEN 'success'
            WHEN success_count = 0 THEN 'failed'
            ELSE 'partial'
        END
    )
);
-- Newest first is by id, which is ordered like created_at.
CREATE INDEX sync_logs_status ON sync_logs (status, id, created_at);
CREATE INDEX sync_logs_type ON sync_logs (sync_type, id, created_at);
CREATE INDEX sync_logs_type_status ON sync_logs (sync_type, status, id, created_at);

-- States go one way: pending, processing, then one end for good.
CREATE TRIGGER sync_logs_ended BEFORE UPDATE ON sync_logs
WHEN OLD.status IN ('success', 'failed', 'partial')
BEGIN SELECT RAISE(ABORT, 'CHECK: a sync log that has ended cannot change'); END;
CREATE TRIGGER sync_logs_one_way BEFORE UPDATE ON sync_logs
WHEN OLD.status = 'processing' AND NEW.status = 'pending'
BEGIN SELECT RAISE(ABORT, 'CHECK: a sync log cannot go back to pending'); END;

-- The codes a run could not sync, in the order in which they failed.
CREATE TABLE sync_failures (
    sync_log_id   bigint NOT NULL,
    seq           bigint NOT NULL,
    product_code  text NOT NULL,
    stage         text NOT NULL,
    reason        text NOT NULL,
    detail        text NOT NULL DEFAULT '',
    attempt       bigint NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    county_code   text NOT NULL DEFAULT '',
    category      text NOT NULL DEFAULT '',
    brand         text NOT NULL DEFAULT '',
    created_at    text NOT NULL,
    PRIMARY KEY (sync_log_id, seq),
    UNIQUE (sync_log_id, product_code)
) WITHOUT ROWID;

-- What is to be done or being done; a row goes when its run ends. Only the holder of `epoch` may write.
CREATE TABLE sync_runs (
    log_id           integer PRIMARY KEY NOT NULL,
    sync_type        text NOT NULL,
    over_everything  boolean NOT NULL,
    request          json NOT NULL,
    account          text NOT NULL,
    epoch            bigint NOT NULL DEFAULT 0,
    worker           text,
    lease_until      text,
    stage            text,
    checkpoint       text,
    bad_pictures     bigint NOT NULL DEFAULT 0,
    -- Claims from a worker that was gone, since a batch was last committed.
    takeovers        bigint NOT NULL DEFAULT 0
);
-- One run over everything per type at a time.
CREATE UNIQUE INDEX sync_runs_exclusive ON sync_runs (sync_type) WHERE over_everything;

-- Codes for which Haier refuses a whole batch: the next run asks for them apart.
CREATE TABLE poison_codes (
    product_code  text NOT NULL,
    stage         text NOT NULL,
    PRIMARY KEY (product_code, stage)
) WITHOUT ROWID;
