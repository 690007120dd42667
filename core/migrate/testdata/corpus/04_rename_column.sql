-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
CREATE VIEW pv AS SELECT name FROM p;
-- migration: rename column
-- compat: 0001
-- touches:
-- +up
ALTER TABLE p RENAME COLUMN name TO title;
-- +down
ALTER TABLE p RENAME COLUMN title TO name;
