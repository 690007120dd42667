-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: instead of trigger
-- compat: 0001
-- touches: p
-- +up
CREATE VIEW pv AS SELECT id, name FROM p;
CREATE TRIGGER pvi INSTEAD OF INSERT ON pv BEGIN INSERT INTO p (id, name) VALUES (new.id, new.name); END;
INSERT INTO pv VALUES (50, 'fifty');
-- +down
DELETE FROM p WHERE id = 50;
DROP TRIGGER pvi;
DROP VIEW pv;
