-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: full text of content
-- compat: 0001
-- touches:
-- +up
CREATE VIRTUAL TABLE ft USING fts5(name, content='p', content_rowid='id');
INSERT INTO ft (ft) VALUES ('rebuild');
CREATE TRIGGER fi AFTER INSERT ON p BEGIN INSERT INTO ft (rowid, name) VALUES (new.id, new.name); END;
-- +down
DROP TRIGGER fi;
DROP TABLE ft;
