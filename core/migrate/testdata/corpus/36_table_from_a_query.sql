-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: table from a query
-- compat: 0001
-- touches:
-- +up
CREATE TABLE top AS SELECT name, v FROM p WHERE v > 10;
-- +down
DROP TABLE top;
