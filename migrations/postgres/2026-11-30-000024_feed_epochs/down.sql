ALTER TABLE product_feed_head DROP COLUMN epoch;
ALTER TABLE order_feed_head DROP COLUMN epoch;
