-- setup
CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT);
CREATE TABLE b (id INTEGER PRIMARY KEY, x TEXT);
INSERT INTO a VALUES (1, 'a1');
INSERT INTO b VALUES (1, 'b1'), (2, 'b2');
-- migration: merge tables
-- compat: 0001
-- touches: a, b
-- +up
CREATE TABLE ab (src TEXT NOT NULL, id INTEGER NOT NULL, x TEXT, PRIMARY KEY (src, id));
INSERT INTO ab SELECT 'a', id, x FROM a;
INSERT INTO ab SELECT 'b', id, x FROM b;
DROP TABLE a;
DROP TABLE b;
-- +down
CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT);
CREATE TABLE b (id INTEGER PRIMARY KEY, x TEXT);
INSERT INTO a SELECT id, x FROM ab WHERE src = 'a';
INSERT INTO b SELECT id, x FROM ab WHERE src = 'b';
DROP TABLE ab;
