-- When a restore or a failover was last found: records of the time before may be missing, of orders too that Haier has.
-- NULL: never.
ALTER TABLE database_identity ADD COLUMN records_lost_at timestamptz;
UPDATE database_identity SET records_lost_at = orders_frozen_at;
