-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: expression index
-- compat: 0001
-- touches:
-- +up
CREATE INDEX e ON p (lower(name), v DESC);
-- +down
DROP INDEX e;
