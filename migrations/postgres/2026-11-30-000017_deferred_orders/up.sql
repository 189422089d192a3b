-- Why an order waits that cannot be sent for a cause of ours. It is no attempt, and leaves no fact.
ALTER TABLE order_pushes ADD COLUMN deferred_reason text;
ALTER TABLE order_pushes ADD COLUMN deferred_words text;
-- What its worker began and did not end is found whatever is held back.
CREATE INDEX order_pushes_leased ON order_pushes (lease_until) WHERE lease_until IS NOT NULL;
