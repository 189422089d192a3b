ALTER TABLE orders DROP COLUMN told_times;
