-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
CREATE TABLE log (t TEXT);
INSERT INTO log VALUES ('before');
-- migration: trigger keeps a log
-- compat: 0001
-- touches: p, log
-- +up
CREATE TRIGGER pt AFTER UPDATE OF v ON p BEGIN INSERT INTO log VALUES (old.v || '>' || new.v); END;
UPDATE p SET v = v + 1;
-- +down
DROP TRIGGER pt;
UPDATE p SET v = v - 1;
DELETE FROM log WHERE t <> 'before';
