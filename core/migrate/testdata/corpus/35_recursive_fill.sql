-- setup
CREATE TABLE d (day INTEGER PRIMARY KEY);
INSERT INTO d VALUES (0);
-- migration: recursive fill
-- compat: 0001
-- +up
INSERT INTO d SELECT day FROM (WITH RECURSIVE n(day) AS (SELECT 1 UNION ALL SELECT day + 1 FROM n LIMIT 500) SELECT day FROM n);
-- +down
DELETE FROM d WHERE day > 0;
