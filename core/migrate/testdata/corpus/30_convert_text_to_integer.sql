-- setup
CREATE TABLE t (id INTEGER PRIMARY KEY, price TEXT, z BLOB);
INSERT INTO t VALUES (1, '1.50', x'01'), (2, '-3', x'02'), (3, NULL, NULL);
CREATE INDEX tp ON t (price);
-- migration: convert text to integer
-- compat: 0001
-- convert: t.price TEXT -> INTEGER using dec(6) null=keep on_loss=abort
-- touches:
-- +up
-- +down
