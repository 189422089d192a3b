-- Products that the run has found gone from the listing so far, and whether it fills an empty store.
ALTER TABLE sync_runs ADD COLUMN delisted bigint NOT NULL DEFAULT 0;
ALTER TABLE sync_runs ADD COLUMN loading boolean NOT NULL DEFAULT false;

-- The run that first stored a product. NULL: a live call.
ALTER TABLE products ADD COLUMN created_by bigint;

-- The feed: the head's number is taken last of all in a transaction, so that numbers are dense and in commit order.
CREATE TABLE product_feed_head (
    id   integer PRIMARY KEY NOT NULL CHECK (id = 1),
    seq  bigint NOT NULL
);
INSERT INTO product_feed_head VALUES (1, 0);
CREATE TABLE product_changes (
    seq           integer PRIMARY KEY NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('LOADED', 'NEW', 'CHANGED', 'DELISTED', 'RETURNED')),
    product_code  text,
    -- [field, old, new], as texts.
    changes       json NOT NULL,
    products      bigint NOT NULL DEFAULT 0,
    sync_log_id   bigint,
    changed_at    text NOT NULL,
    CONSTRAINT product_changes_code CHECK ((kind = 'LOADED') = (product_code IS NULL))
);

-- Products that a run has stored and not told yet, since it still asks for their prices or stock: one entry tells all.
CREATE TABLE new_products (
    product_id   integer PRIMARY KEY NOT NULL,
    sync_log_id  bigint NOT NULL
);
CREATE INDEX new_products_run ON new_products (sync_log_id);

-- How prices and stock came to their values, where they are not those that the product was first stored with. It
-- outlives the feed.
CREATE TABLE product_history (
    product_id   bigint NOT NULL,
    field        text NOT NULL,
    value        text,
    before       text,
    since        text NOT NULL,
    sync_log_id  bigint,
    PRIMARY KEY (product_id, field)
) WITHOUT ROWID;
