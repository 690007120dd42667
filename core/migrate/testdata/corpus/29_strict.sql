-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: strict
-- compat: 0001
-- touches:
-- +up
CREATE TABLE p_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO p_new SELECT id, name, v FROM p;
DROP TABLE p;
ALTER TABLE p_new RENAME TO p;
-- +down
CREATE TABLE p_old (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p_old SELECT id, name, v FROM p;
DROP TABLE p;
ALTER TABLE p_old RENAME TO p;
