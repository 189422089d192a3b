DROP INDEX sync_logs_requested_by;
DROP TABLE api_tokens;
