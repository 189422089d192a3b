-- Upstream accounts. `settings` holds what may be read, by the name of the field in the API; what may not stands sealed in
-- haier_config_secrets.
CREATE TABLE haier_configs (
    id          integer PRIMARY KEY NOT NULL,
    name        text NOT NULL CONSTRAINT haier_configs_name_unique UNIQUE,
    settings    json NOT NULL,
    active      boolean NOT NULL DEFAULT false,
    -- Raised by every change, also by one of `active`.
    version     bigint NOT NULL DEFAULT 1,
    created_at  text NOT NULL,
    updated_at  text NOT NULL
);
-- At most one is active, whoever writes.
CREATE UNIQUE INDEX haier_configs_active ON haier_configs (active) WHERE active;

CREATE TABLE haier_config_secrets (
    config_id  integer NOT NULL REFERENCES haier_configs (id) ON DELETE CASCADE,
    field      text NOT NULL,
    -- `v1.KEY_ID.BASE64`, bound to haier_configs, config_id and field.
    sealed     text NOT NULL CHECK (sealed LIKE 'v1.%.%'),
    set_at     text NOT NULL,
    PRIMARY KEY (config_id, field)
);
