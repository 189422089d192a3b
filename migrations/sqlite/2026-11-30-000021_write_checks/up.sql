-- One row, written anew at each check whether anything can be written.
CREATE TABLE write_checks (
    id       bigint PRIMARY KEY CHECK (id = 1),
    filling  text NOT NULL
);
