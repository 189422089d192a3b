ALTER TABLE database_identity DROP COLUMN records_lost_at;
