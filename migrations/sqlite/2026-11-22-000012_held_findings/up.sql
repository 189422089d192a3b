-- What runs have set aside instead of writing it: prices that moved far, and products that a listing no longer holds. While a
-- run works they are its own; when it ends HELD they wait for a person; approved, they are those of the run that applies them.
CREATE TABLE held_findings (
    sync_log_id   bigint NOT NULL,
    product_code  text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('DELISTED', 'PRICE')),
    -- When Haier was asked: whoever asked later knows better.
    asked_at      text NOT NULL,
    -- The price record as it was answered.
    answer        json,
    -- [field, old, new], as texts.
    changes       json NOT NULL,
    PRIMARY KEY (sync_log_id, product_code),
    CONSTRAINT held_findings_answer CHECK ((kind = 'PRICE') = (answer IS NOT NULL))
) WITHOUT ROWID;

-- Runs that ended HELD, until some time after they were decided.
CREATE TABLE held_runs (
    sync_log_id      integer PRIMARY KEY NOT NULL,
    sync_type        text NOT NULL,
    account          text NOT NULL,
    over_everything  boolean NOT NULL,
    delisted         bigint NOT NULL,
    listed           bigint NOT NULL,
    moved            bigint NOT NULL,
    priced           bigint NOT NULL,
    held_at          text NOT NULL,
    expires_at       text NOT NULL,
    decision         text CHECK (decision IN ('APPROVED', 'DISCARDED', 'EXPIRED', 'SUPERSEDED')),
    decided_by       text NOT NULL DEFAULT '',
    decided_at       text,
    -- The run that applies the findings, or the one that has found anew.
    successor_id     bigint,
    CONSTRAINT held_runs_decided CHECK ((decision IS NULL) = (decided_at IS NULL))
);
CREATE INDEX held_runs_open ON held_runs (expires_at) WHERE decision IS NULL;
