DROP INDEX replicas_process_number;
ALTER TABLE replicas DROP COLUMN process_number;
