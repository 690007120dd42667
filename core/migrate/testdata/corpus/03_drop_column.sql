-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: drop column
-- compat: 0001
-- touches: p
-- +up
ALTER TABLE p DROP COLUMN v;
-- +down
ALTER TABLE p ADD COLUMN v INTEGER NOT NULL DEFAULT 0;
