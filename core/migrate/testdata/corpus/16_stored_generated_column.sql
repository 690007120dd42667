-- setup
CREATE TABLE g (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER AS (a * 2) STORED);
INSERT INTO g (id, a) VALUES (1, 5), (2, 6);
-- migration: stored generated column
-- compat: 0001
-- touches:
-- +up
CREATE TABLE g_new (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER AS (a * 3) STORED);
INSERT INTO g_new (id, a) SELECT id, a FROM g;
DROP TABLE g;
ALTER TABLE g_new RENAME TO g;
-- +down
CREATE TABLE g_old (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER AS (a * 2) STORED);
INSERT INTO g_old (id, a) SELECT id, a FROM g;
DROP TABLE g;
ALTER TABLE g_old RENAME TO g;
