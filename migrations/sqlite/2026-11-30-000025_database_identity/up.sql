-- Which database this was when the service last looked, to compare with the file `….identity` beside it: another identity, or
-- a smaller generation, means that the file was restored from a backup. NULL: nobody has looked yet.
CREATE TABLE database_identity (
    id                integer PRIMARY KEY NOT NULL CHECK (id = 1),
    identity          text,
    -- Raised every few seconds, here first and then in the file beside.
    generation        bigint,
    -- Since when no order is sent, after a restore; until the orders are reconciled.
    orders_frozen_at  text
);
INSERT INTO database_identity (id) VALUES (1);
