-- setup
CREATE TABLE k (a INTEGER, b TEXT, PRIMARY KEY (a));
INSERT INTO k VALUES (1, 'x'), (2, 'y');
-- migration: primary key changed
-- compat: 0001
-- touches:
-- +up
CREATE TABLE k_new (a INTEGER, b TEXT, PRIMARY KEY (a, b));
INSERT INTO k_new SELECT a, b FROM k;
DROP TABLE k;
ALTER TABLE k_new RENAME TO k;
-- +down
CREATE TABLE k_old (a INTEGER, b TEXT, PRIMARY KEY (a));
INSERT INTO k_old SELECT a, b FROM k;
DROP TABLE k;
ALTER TABLE k_old RENAME TO k;
