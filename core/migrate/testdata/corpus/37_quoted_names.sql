-- setup
CREATE TABLE "odd name" ("a b" INTEGER, [c;d] TEXT, `e"f` BLOB);
INSERT INTO "odd name" VALUES (1, 'x', x'00');
-- migration: quoted names
-- compat: 0001
-- touches:
-- +up
ALTER TABLE "odd name" ADD COLUMN "g'h" TEXT;
CREATE INDEX "i x" ON "odd name" ("a b", [c;d]);
-- +down
DROP INDEX "i x";
ALTER TABLE "odd name" DROP COLUMN "g'h";
