-- setup
CREATE TABLE t (id INTEGER PRIMARY KEY, price TEXT);
INSERT INTO t VALUES (1, '1.50'), (2, '12abc'), (3, ''), (4, '0002');
-- migration: convert with quarantine
-- compat: 0001
-- convert: t.price TEXT -> INTEGER using dec(6) null=keep on_loss=quarantine
-- touches:
-- +up
-- +down
