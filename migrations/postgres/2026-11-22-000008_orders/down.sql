DROP TABLE order_changes;
DROP TABLE order_feed_head;
DROP TABLE order_pushes;
DROP TABLE order_facts;
DROP FUNCTION order_facts_append_only;
DROP TABLE order_items;
DROP TABLE orders;
DROP FUNCTION orders_sender_stays;
