-- The number of a replica in the ids that it makes: leased for as long as its row stands. NULL: a version before this one.
ALTER TABLE replicas ADD COLUMN process_number bigint CHECK (process_number BETWEEN 0 AND 1023);
CREATE UNIQUE INDEX replicas_process_number ON replicas (process_number);
