DROP INDEX order_pushes_due_by_step;
