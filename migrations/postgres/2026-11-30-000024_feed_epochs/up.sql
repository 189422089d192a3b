-- The epoch of a feed's numbers: raised when entries that readers may have seen are gone with the database that held them.
ALTER TABLE product_feed_head ADD COLUMN epoch bigint NOT NULL DEFAULT 1;
ALTER TABLE order_feed_head ADD COLUMN epoch bigint NOT NULL DEFAULT 1;
