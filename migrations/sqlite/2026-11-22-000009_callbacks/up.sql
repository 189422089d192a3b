-- What the order system told us, stored before it is answered and applied to its order afterwards. Rows are added, and
-- change only in whether and when they were matched; the facts that follow from them stand in order_facts.
CREATE TABLE callbacks (
    id                 integer PRIMARY KEY NOT NULL,
    received_at        text NOT NULL,
    app_key            text NOT NULL,
    -- Accounts whose secret signed it: [{account, seller_code}].
    signers            json NOT NULL,
    method             text NOT NULL,
    time_stamp         text NOT NULL,
    platform_order_no  text NOT NULL,
    ext_order_no       text,
    success            boolean NOT NULL,
    words              text NOT NULL,
    data               text NOT NULL,
    -- SHA-256 of what was signed: one that comes again is there already.
    digest             blob NOT NULL UNIQUE,
    -- Its order, once that was found; until then when it was first looked for in vain, and when that was complained of.
    order_id           bigint REFERENCES orders (id),
    applied_at         text,
    parked_at          text,
    warned_at          text,
    CONSTRAINT callbacks_applied CHECK ((order_id IS NULL) = (applied_at IS NULL))
);
CREATE INDEX callbacks_new ON callbacks (id) WHERE applied_at IS NULL AND parked_at IS NULL;
CREATE INDEX callbacks_open ON callbacks (id) WHERE applied_at IS NULL;
CREATE INDEX callbacks_open_platform_order_no ON callbacks (platform_order_no) WHERE applied_at IS NULL;
CREATE INDEX callbacks_open_ext_order_no ON callbacks (ext_order_no) WHERE applied_at IS NULL AND ext_order_no IS NOT NULL;
CREATE INDEX callbacks_order ON callbacks (order_id, id) WHERE order_id IS NOT NULL;

CREATE TRIGGER callbacks_no_delete BEFORE DELETE ON callbacks
BEGIN SELECT RAISE(ABORT, 'CHECK: a callback cannot be changed or removed'); END;
CREATE TRIGGER callbacks_no_update BEFORE UPDATE ON callbacks
WHEN OLD.applied_at IS NOT NULL
    OR (OLD.id, OLD.received_at, OLD.app_key, OLD.signers, OLD.method, OLD.time_stamp, OLD.platform_order_no,
        OLD.success, OLD.words, OLD.data, OLD.digest)
       <> (NEW.id, NEW.received_at, NEW.app_key, NEW.signers, NEW.method, NEW.time_stamp, NEW.platform_order_no,
           NEW.success, NEW.words, NEW.data, NEW.digest)
    OR OLD.ext_order_no IS NOT NEW.ext_order_no
BEGIN SELECT RAISE(ABORT, 'CHECK: a callback cannot be changed or removed'); END;
