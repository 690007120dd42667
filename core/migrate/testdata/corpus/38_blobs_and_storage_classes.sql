-- setup
CREATE TABLE m (a, b);
INSERT INTO m VALUES (1, '1'), (1.0, x'31'), (NULL, ''), (9223372036854775807, -0.0), (1e300, x'');
-- migration: blobs and storage classes
-- compat: 0001
-- touches:
-- +up
ALTER TABLE m RENAME TO m_old;
CREATE TABLE m (a, b, c DEFAULT 5);
INSERT INTO m (a, b) SELECT a, b FROM m_old;
DROP TABLE m_old;
-- +down
ALTER TABLE m DROP COLUMN c;
