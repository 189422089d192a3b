DROP TABLE stock_levels;
DROP TABLE product_prices;
DROP TABLE product_sync;
DROP TABLE products;
