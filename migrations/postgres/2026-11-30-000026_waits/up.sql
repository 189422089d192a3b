-- How long a run was kept waiting by a pause, an open breaker, a throttle or the budget, and what keeps it now, as JSON.
ALTER TABLE sync_logs ADD COLUMN waited_micros bigint NOT NULL DEFAULT 0;
ALTER TABLE sync_logs ADD COLUMN wait json;
