DROP INDEX orders_account;
