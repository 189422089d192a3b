-- On PostgreSQL this migration makes the tables of what replicas share: budgets of calls and tokens. One process at a time
-- holds an SQLite file, and keeps both in memory.
SELECT 1;
