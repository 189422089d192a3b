DROP TABLE unnumbered_order_changes;
