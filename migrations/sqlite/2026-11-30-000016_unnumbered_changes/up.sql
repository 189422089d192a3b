-- Entries of the feed of orders as they are committed. They get their numbers afterwards, many at a time, as on PostgreSQL.
CREATE TABLE unnumbered_order_changes (
    id               integer PRIMARY KEY NOT NULL,
    so_id            text NOT NULL,
    online_no        text NOT NULL,
    state_before     text,
    state            text NOT NULL,
    retail_order_no  text,
    haier_order_no   text,
    error_reason     text,
    error_words      text,
    changed_at       text NOT NULL
);
