DROP TABLE held_runs;
DROP TABLE held_findings;
