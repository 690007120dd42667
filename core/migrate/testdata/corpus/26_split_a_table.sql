-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: split a table
-- compat: 0001
-- touches:
-- +up
CREATE TABLE names (p INTEGER PRIMARY KEY REFERENCES p, name TEXT NOT NULL);
INSERT INTO names SELECT id, name FROM p;
-- +down
DROP TABLE names;
