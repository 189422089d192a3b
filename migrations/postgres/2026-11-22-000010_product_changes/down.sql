DROP TABLE product_history;
DROP TABLE new_products;
DROP TABLE product_changes;
DROP TABLE product_feed_head;
ALTER TABLE products DROP COLUMN created_by;
ALTER TABLE sync_runs DROP COLUMN loading;
ALTER TABLE sync_runs DROP COLUMN delisted;
