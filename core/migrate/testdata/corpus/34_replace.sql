-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: replace
-- compat: 0001
-- +up
REPLACE INTO p VALUES (2, 'zwei', 20);
-- +down
REPLACE INTO p VALUES (2, 'two', 20);
