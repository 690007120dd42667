-- setup
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, v INTEGER NOT NULL DEFAULT 0);
INSERT INTO p (id, name, v) VALUES (1, 'one', 10), (2, 'two', 20), (3, 'Three', 30);
-- migration: virtual generated column
-- compat: 0001
-- touches:
-- +up
ALTER TABLE p ADD COLUMN len INTEGER GENERATED ALWAYS AS (length(name)) VIRTUAL;
CREATE INDEX pl ON p (len);
-- +down
DROP INDEX pl;
ALTER TABLE p DROP COLUMN len;
