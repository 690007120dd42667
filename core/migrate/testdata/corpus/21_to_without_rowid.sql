-- setup
CREATE TABLE w (k TEXT NOT NULL PRIMARY KEY, v);
INSERT INTO w VALUES ('a', 1), ('b', 2.5), ('c', x'01');
-- migration: to without rowid
-- compat: 0001
-- touches:
-- +up
CREATE TABLE w_new (k TEXT NOT NULL PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO w_new SELECT k, v FROM w;
DROP TABLE w;
ALTER TABLE w_new RENAME TO w;
-- +down
CREATE TABLE w_old (k TEXT NOT NULL PRIMARY KEY, v);
INSERT INTO w_old SELECT k, v FROM w;
DROP TABLE w;
ALTER TABLE w_old RENAME TO w;
