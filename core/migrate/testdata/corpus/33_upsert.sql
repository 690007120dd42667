-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: upsert
-- compat: 0001
-- +up
INSERT INTO p VALUES (1, 'eins', 11), (4, 'vier', 40) ON CONFLICT (id) DO UPDATE SET name = excluded.name;
-- +down
UPDATE p SET name = 'one' WHERE id = 1;
DELETE FROM p WHERE id = 4;
