-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: add column with default
-- compat: 0001
-- touches:
-- +up
ALTER TABLE p ADD COLUMN w INTEGER NOT NULL DEFAULT 7;
-- +down
ALTER TABLE p DROP COLUMN w;
