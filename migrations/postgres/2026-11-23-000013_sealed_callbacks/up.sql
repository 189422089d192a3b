-- Haier's words may name people, and whom is not known before the order is found: until then data is kept sealed, and words
-- and data hold what names nobody. When it is applied they get Haier's words without those names.
ALTER TABLE callbacks ADD COLUMN sealed text;
CREATE INDEX callbacks_sealed ON callbacks (id) WHERE sealed IS NOT NULL;

DROP TRIGGER callbacks_no_update ON callbacks;
CREATE TRIGGER callbacks_no_update BEFORE UPDATE ON callbacks
    FOR EACH ROW WHEN (
        OLD.applied_at IS NOT NULL
        OR (OLD.id, OLD.received_at, OLD.app_key, OLD.signers::text, OLD.method, OLD.time_stamp, OLD.platform_order_no,
            OLD.ext_order_no, OLD.success, OLD.digest)
           IS DISTINCT FROM
           (NEW.id, NEW.received_at, NEW.app_key, NEW.signers::text, NEW.method, NEW.time_stamp, NEW.platform_order_no,
            NEW.ext_order_no, NEW.success, NEW.digest)
        OR NEW.applied_at IS NULL AND (OLD.words, OLD.data) IS DISTINCT FROM (NEW.words, NEW.data)
    ) EXECUTE FUNCTION callbacks_append_only();
