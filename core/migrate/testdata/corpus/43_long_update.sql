-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
INSERT INTO p (name, v) SELECT 'n' || value, value FROM (WITH RECURSIVE n(value) AS (SELECT 100 UNION ALL SELECT value + 1 FROM n LIMIT 3000) SELECT value FROM n);
-- migration: long update
-- compat: 0001
-- +up
UPDATE p SET v = v * 10;
UPDATE p SET name = upper(name) WHERE v % 3 = 0;
-- +down
UPDATE p SET v = v / 10, name = name;
UPDATE p SET name = CASE id WHEN 3 THEN 'Three' ELSE lower(name) END;
