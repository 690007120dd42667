-- setup
CREATE TABLE t (s TEXT COLLATE NOCASE);
INSERT INTO t VALUES ('Abc'), ('abd'), ('ABE');
-- migration: collation index
-- compat: 0001
-- touches:
-- +up
CREATE INDEX tb ON t (s COLLATE BINARY);
REINDEX t;
ANALYZE t;
-- +down
DROP INDEX tb;
