-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: partial index
-- compat: 0001
-- +up
CREATE INDEX part ON p (name) WHERE v > 15;
UPDATE p SET v = 16 WHERE id = 1;
-- +down
DROP INDEX part;
UPDATE p SET v = 10 WHERE id = 1;
