DROP INDEX order_pushes_leased;
ALTER TABLE order_pushes DROP COLUMN deferred_words;
ALTER TABLE order_pushes DROP COLUMN deferred_reason;
