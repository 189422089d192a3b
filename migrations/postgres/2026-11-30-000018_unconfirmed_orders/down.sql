DROP INDEX orders_doubtful;
DROP INDEX orders_unconfirmed;
DROP TABLE order_warnings;
