-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
CREATE TABLE log (t TEXT);
CREATE TRIGGER pt AFTER INSERT ON p BEGIN INSERT INTO log VALUES (new.name); END;
-- migration: drop a trigger
-- compat: 0001
-- +up
DROP TRIGGER pt;
INSERT INTO p VALUES (9, 'nine', 90);
-- +down
DELETE FROM p WHERE id = 9;
CREATE TRIGGER pt AFTER INSERT ON p BEGIN INSERT INTO log VALUES (new.name); END;
