DROP TABLE product_sync;
DROP TABLE products;
