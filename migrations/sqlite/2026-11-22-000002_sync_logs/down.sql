DROP TABLE poison_codes;
DROP TABLE sync_runs;
DROP TABLE sync_failures;
DROP TABLE sync_logs;
