-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER NOT NULL REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, q TEXT);
INSERT INTO c VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 3, 'c');
-- migration: rename table
-- compat: 0001
-- touches:
-- +up
ALTER TABLE p RENAME TO parent;
-- +down
ALTER TABLE parent RENAME TO p;
