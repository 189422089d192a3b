-- Orders of which Haier has called nothing back for long, or that are in doubt beyond their deadline: each is named once, by
-- whichever replica looks first.
CREATE TABLE order_warnings (
    order_id   bigint NOT NULL PRIMARY KEY REFERENCES orders (id),
    warned_at  text NOT NULL
);
CREATE INDEX orders_unconfirmed ON orders (updated_at) WHERE state IN ('pushed', 'cancelling');
CREATE INDEX orders_doubtful ON orders (deadline_at) WHERE in_doubt;
