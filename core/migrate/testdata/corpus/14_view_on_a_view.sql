-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: view on a view
-- compat: 0001
-- touches:
-- +up
CREATE VIEW a AS SELECT id, v * 2 AS w FROM p;
CREATE VIEW b AS SELECT sum(w) AS s FROM a;
-- +down
DROP VIEW b;
DROP VIEW a;
