-- When the service syncs by itself. A row is what an operator may change of a schedule, and how it stands.
CREATE TABLE schedules (
    name           text PRIMARY KEY,
    -- One of the two: a period, or a time of day such as 03:00 in the zone of the settings.
    every_micros   bigint CHECK (every_micros > 0),
    daily_at       text,
    jitter_micros  bigint NOT NULL CHECK (jitter_micros >= 0),
    paused         boolean NOT NULL DEFAULT false,
    -- What the jitter is drawn from: another one for every installation.
    seed           bigint NOT NULL,
    -- Raised by every change by an operator.
    version        bigint NOT NULL DEFAULT 1,
    -- Raised by every change at all: whoever fires first raises it, and the others find it raised.
    epoch          bigint NOT NULL DEFAULT 0,
    next_at        timestamptz NOT NULL,
    -- The trigger of a run that is owed whatever the time.
    wanted         text,
    last_at        timestamptz,
    last_outcome   text CHECK (last_outcome IN ('STARTED', 'SKIPPED')),
    last_detail    text NOT NULL DEFAULT '',
    last_log_id    bigint,
    updated_at     timestamptz NOT NULL,
    CONSTRAINT schedules_cadence CHECK ((every_micros IS NULL) <> (daily_at IS NULL)),
    CONSTRAINT schedules_last CHECK ((last_at IS NULL) = (last_outcome IS NULL))
) WITH (fillfactor = 50);

-- Products whose stock is asked for before that of others, by the word of an operator.
CREATE TABLE product_attention (
    product_id  bigint PRIMARY KEY,
    watched     boolean NOT NULL DEFAULT false,
    -- Stock below this is low. NULL: the threshold of the settings.
    low_stock   bigint CHECK (low_stock >= 0)
);
