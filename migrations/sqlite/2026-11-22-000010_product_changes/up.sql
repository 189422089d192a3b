-- Products that the run has found gone from the listing so far.
ALTER TABLE sync_runs ADD COLUMN delisted bigint NOT NULL DEFAULT 0;
