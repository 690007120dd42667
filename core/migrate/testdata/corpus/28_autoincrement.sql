-- setup
CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT);
INSERT INTO s (x) VALUES ('a'), ('b');
DELETE FROM s WHERE id = 2;
-- migration: autoincrement
-- compat: 0001
-- +up
INSERT INTO s (x) VALUES ('c');
ALTER TABLE s ADD COLUMN y;
-- +down
ALTER TABLE s DROP COLUMN y;
DELETE FROM s WHERE x = 'c';
