DROP TABLE callbacks;
DROP FUNCTION callbacks_append_only();
