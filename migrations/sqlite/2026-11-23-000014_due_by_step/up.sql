-- While new orders are paused, their backlog is not looked through for every change that is due.
CREATE INDEX order_pushes_due_by_step ON order_pushes (step, next_attempt_at);
