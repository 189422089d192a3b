ALTER TABLE sync_logs DROP COLUMN wait;
ALTER TABLE sync_logs DROP COLUMN waited_micros;
