-- Entries of the feed of orders as they are committed. They get their numbers afterwards, many at a time: a head that every
-- transaction locked until the disk had it would make them all wait for each other. Ids are given with the order's row
-- locked, so that entries of one order are in the order of their commits.
CREATE TABLE unnumbered_order_changes (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
