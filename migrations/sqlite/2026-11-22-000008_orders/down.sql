DROP TABLE order_changes;
DROP TABLE order_feed_head;
DROP TABLE order_pushes;
DROP TABLE order_facts;
DROP TABLE order_items;
DROP VIEW order_secrets;
DROP TABLE orders;
