-- Which database this was when a replica last looked: another identity means that it was restored from a backup, another
-- timeline that it failed over. NULL: nobody has looked yet.
CREATE TABLE database_identity (
    id                bigint PRIMARY KEY CHECK (id = 1),
    identity          text,
    -- Timeline of PostgreSQL.
    generation        bigint,
    -- Since when no order is sent, after a restore; until the orders are reconciled.
    orders_frozen_at  timestamptz
);
INSERT INTO database_identity (id) VALUES (1);
