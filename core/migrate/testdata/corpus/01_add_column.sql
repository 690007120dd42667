-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: add column
-- compat: 0001
-- +up
ALTER TABLE p ADD COLUMN w TEXT;
UPDATE p SET w = name || v;
-- +down
ALTER TABLE p DROP COLUMN w;
