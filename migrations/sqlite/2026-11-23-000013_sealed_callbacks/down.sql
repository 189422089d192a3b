DROP TRIGGER callbacks_no_update;
CREATE TRIGGER callbacks_no_update BEFORE UPDATE ON callbacks
WHEN OLD.applied_at IS NOT NULL
    OR (OLD.id, OLD.received_at, OLD.app_key, OLD.signers, OLD.method, OLD.time_stamp, OLD.platform_order_no,
        OLD.success, OLD.words, OLD.data, OLD.digest)
       <> (NEW.id, NEW.received_at, NEW.app_key, NEW.signers, NEW.method, NEW.time_stamp, NEW.platform_order_no,
           NEW.success, NEW.words, NEW.data, NEW.digest)
    OR OLD.ext_order_no IS NOT NEW.ext_order_no
BEGIN SELECT RAISE(ABORT, 'CHECK: a callback cannot be changed or removed'); END;
DROP INDEX callbacks_sealed;
ALTER TABLE callbacks DROP COLUMN sealed;
