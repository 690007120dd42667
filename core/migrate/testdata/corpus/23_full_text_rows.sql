-- setup
CREATE VIRTUAL TABLE ft USING fts5(body);
INSERT INTO ft (rowid, body) VALUES (1, 'buy low'), (2, 'sell high');
-- migration: full text rows
-- compat: 0001
-- +up
INSERT INTO ft (rowid, body) VALUES (3, 'hold on');
UPDATE ft SET body = 'buy lower' WHERE rowid = 1;
-- +down
DELETE FROM ft WHERE rowid = 3;
UPDATE ft SET body = 'buy low' WHERE rowid = 1;
