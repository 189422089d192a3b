-- The times that Haier was last told of after the order, by their names; NULL: as they are in the order. The row of an order is
-- full: what is read with it and never searched for shares a column.
ALTER TABLE orders ADD COLUMN told_times json;
