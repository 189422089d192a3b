DROP TRIGGER callbacks_no_update ON callbacks;
CREATE TRIGGER callbacks_no_update BEFORE UPDATE ON callbacks
    FOR EACH ROW WHEN (
        OLD.applied_at IS NOT NULL
        OR (OLD.id, OLD.received_at, OLD.app_key, OLD.signers::text, OLD.method, OLD.time_stamp, OLD.platform_order_no,
            OLD.ext_order_no, OLD.success, OLD.words, OLD.data, OLD.digest)
           IS DISTINCT FROM
           (NEW.id, NEW.received_at, NEW.app_key, NEW.signers::text, NEW.method, NEW.time_stamp, NEW.platform_order_no,
            NEW.ext_order_no, NEW.success, NEW.words, NEW.data, NEW.digest)
    ) EXECUTE FUNCTION callbacks_append_only();
DROP INDEX callbacks_sealed;
ALTER TABLE callbacks DROP COLUMN sealed;
