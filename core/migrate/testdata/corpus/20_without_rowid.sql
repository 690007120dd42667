-- setup
CREATE TABLE w (k TEXT NOT NULL, n INTEGER NOT NULL, v BLOB, PRIMARY KEY (k, n)) WITHOUT ROWID;
INSERT INTO w VALUES ('a', 1, x'00ff'), ('a', 2, NULL), ('b', 1, 'text');
-- migration: without rowid
-- compat: 0001
-- +up
ALTER TABLE w ADD COLUMN z REAL;
UPDATE w SET z = n * 1.5;
-- +down
ALTER TABLE w DROP COLUMN z;
