-- Orders as they were given, and where each stands: the latter follows from its facts and is stored with them in one
-- transaction. What is personal (name, phone, address, remark, and the body that holds them) is sealed.
CREATE TABLE orders (
    id                 bigint PRIMARY KEY,
    so_id              text NOT NULL UNIQUE,
    online_no          text NOT NULL,
    -- As given; NULL: the account's.
    source_system      text,
    shop_name          text,
    consignee_name     text NOT NULL,
    consignee_mobile   text NOT NULL,
    province           text NOT NULL,
    city               text NOT NULL,
    area               text NOT NULL,
    town               text,
    detail_address     text NOT NULL,
    remark             text,
    total_amount_e4    bigint NOT NULL CHECK (total_amount_e4 >= 0),
    distribution_time  timestamptz,
    install_time       timestamptz,
    government_order   boolean NOT NULL,
    requested_by       text NOT NULL,
    -- Set at the first attempt, for ever: under whose name, and which bytes.
    account            text,
    sender             json,
    body               text,
    state              text NOT NULL DEFAULT 'accepted' CHECK (state IN (
        'accepted', 'in_doubt', 'pushed', 'refused', 'confirmed', 'out_of_stock', 'cancelling', 'cancelled', 'given_up'
    )),
    retail_order_no    text,
    haier_order_no     text,
    error_reason       text,
    error_words        text,
    in_doubt           boolean NOT NULL DEFAULT false,
    deadline_at        timestamptz NOT NULL,
    sync_log_id        bigint,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    CONSTRAINT orders_sender CHECK ((account IS NULL) = (sender IS NULL) AND (account IS NULL) = (body IS NULL)),
    CONSTRAINT orders_error CHECK ((error_reason IS NULL) = (error_words IS NULL))
);
CREATE INDEX orders_state ON orders (state, id);
CREATE INDEX orders_online_no ON orders (online_no, id);
CREATE INDEX orders_haier_order_no ON orders (haier_order_no) WHERE haier_order_no IS NOT NULL;
CREATE INDEX orders_in_doubt ON orders (id) WHERE in_doubt;

CREATE FUNCTION orders_sender_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING MESSAGE = 'order ' || OLD.so_id || ' keeps the account and the bytes of its first attempt';
END $$;
CREATE TRIGGER orders_sender_stays BEFORE UPDATE OF account, sender, body ON orders
    FOR EACH ROW WHEN (OLD.account IS NOT NULL AND OLD.account IS DISTINCT FROM NEW.account)
    EXECUTE FUNCTION orders_sender_stays();

-- Everything sealed of an order, a row a value, for counting by key and sealing anew.
CREATE VIEW order_secrets (order_id, field, sealed) AS
    SELECT id, 'body', body FROM orders WHERE body IS NOT NULL
    UNION ALL SELECT id, 'consignee_mobile', consignee_mobile FROM orders
    UNION ALL SELECT id, 'consignee_name', consignee_name FROM orders
    UNION ALL SELECT id, 'detail_address', detail_address FROM orders
    UNION ALL SELECT id, 'remark', remark FROM orders WHERE remark IS NOT NULL;

CREATE TABLE order_items (
    order_id            bigint NOT NULL REFERENCES orders (id),
    line                bigint NOT NULL CHECK (line >= 1),
    product_code        text NOT NULL,
    retail_price_e4     bigint NOT NULL CHECK (retail_price_e4 >= 0),
    discount_amount_e4  bigint NOT NULL CHECK (discount_amount_e4 >= 0),
    actual_price_e4     bigint NOT NULL CHECK (actual_price_e4 = retail_price_e4 - discount_amount_e4),
    is_gift             boolean NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- What happened to each order, in the order in which it was learnt. Rows are added and never touched again.
CREATE TABLE order_facts (
    order_id  bigint NOT NULL REFERENCES orders (id),
    seq       bigint NOT NULL CHECK (seq >= 1),
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    data      json NOT NULL,
    PRIMARY KEY (order_id, seq)
);
CREATE FUNCTION order_facts_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING MESSAGE = 'a fact about an order cannot be changed or removed';
END $$;
CREATE TRIGGER order_facts_append_only BEFORE UPDATE OR DELETE ON order_facts
    FOR EACH ROW EXECUTE FUNCTION order_facts_append_only();
CREATE TRIGGER order_facts_no_truncate BEFORE TRUNCATE ON order_facts
    FOR EACH STATEMENT EXECUTE FUNCTION order_facts_append_only();

-- Orders with which something is to be done. Who holds the lease does it.
CREATE TABLE order_pushes (
    order_id         bigint PRIMARY KEY REFERENCES orders (id),
    -- 'push', or 'change' for cancellations and other times, which a pause of new orders does not hold back.
    step             text NOT NULL CHECK (step IN ('push', 'change')),
    next_attempt_at  timestamptz NOT NULL,
    epoch            bigint NOT NULL DEFAULT 0,
    worker           text,
    lease_until      timestamptz,
    CONSTRAINT order_pushes_lease CHECK ((worker IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 50);
CREATE INDEX order_pushes_due ON order_pushes (next_attempt_at);

-- The feed: the head's number is taken last of all in a transaction, so that numbers are dense and in commit order.
CREATE TABLE order_feed_head (
    id   bigint PRIMARY KEY CHECK (id = 1),
    seq  bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO order_feed_head VALUES (1, 0);
CREATE TABLE order_changes (
    seq              bigint PRIMARY KEY,
    so_id            text NOT NULL,
    online_no        text NOT NULL,
    state_before     text,
    state            text NOT NULL,
    retail_order_no  text,
    haier_order_no   text,
    error_reason     text,
    error_words      text,
    changed_at       timestamptz NOT NULL
);
