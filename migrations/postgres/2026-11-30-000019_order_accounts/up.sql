-- An order is bound to the identity of its account, which stands in `sender` (place, account_id): found by it when an
-- account is to change its place, when a name is to be given again, and where no identity is recorded yet. That of orders
-- which are there already is recorded at the next start, as their account then is.
CREATE INDEX orders_account ON orders (account, (sender->>'place')) WHERE account IS NOT NULL;
