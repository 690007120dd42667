package kills

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing/fstest"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/internal/failpoint"
	"github.com/tidegate/engine/internal/torture"
)

// notes are the rows that the migration under test rebuilds.
const notes = 400

const (
	firstFile = "-- migration: notes\n-- compat: 0001\n-- +up\nCREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;\n-- +down\nDROP TABLE notes;\n"
	// secondFile has statements of every kind: each of them is a place to be killed at.
	secondFile = `-- migration: lengths
-- touches: notes
-- +up
ALTER TABLE notes ADD COLUMN length INTEGER;
CREATE INDEX by_text ON notes (text);
UPDATE notes SET length = length(text);
CREATE TABLE tags (note INTEGER NOT NULL REFERENCES notes, tag TEXT NOT NULL, PRIMARY KEY (note, tag)) STRICT, WITHOUT ROWID;
INSERT INTO tags SELECT id, 'old' FROM notes;
CREATE VIEW tagged AS SELECT * FROM notes JOIN tags ON note = id;
-- +down
DROP VIEW tagged;
DROP TABLE tags;
DROP INDEX by_text;
ALTER TABLE notes DROP COLUMN length;
`
	secondStatements = 6
	makeNotes        = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO notes (id, text) SELECT i, hex(randomblob(i % 60)) FROM n"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// files writes a folder of migrations, with its sums.
func files(dir string, texts ...string) (fs.FS, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	set := fstest.MapFS{}
	for i, text := range texts {
		set[fmt.Sprintf("%04d_x.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	sums, err := migrate.Sum(set)
	if err != nil {
		return nil, err
	}
	set[migrate.SumFile] = &fstest.MapFile{Data: sums}
	for name, file := range set {
		if err := os.WriteFile(filepath.Join(dir, name), file.Data, 0o600); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// template makes a database with notes in it and closes it.
func template(ctx context.Context, path string, set fs.FS) error {
	cfg := engine.DefaultConfig(path)
	cfg.Migrations, cfg.Logger = set, quiet()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, makeNotes, notes)
	return errors.Join(err, db.Close())
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// migrations kills a migration at each of its statements, ahead of COMMIT and behind it. What is left is the schema of before or the one of
// afterwards, with every row; the next start has the new one.
func (c *campaign) migrations(ctx context.Context, n share) error {
	if n.migration == 0 {
		return nil
	}
	first, err := files(c.path("m1"), firstFile)
	if err != nil {
		return err
	}
	both, err := files(c.path("m2"), firstFile, secondFile)
	if err != nil {
		return err
	}
	origin := c.path("template.db")
	if err := template(ctx, origin, first); err != nil {
		return err
	}
	rng := c.env.Rand(3)
	points := []failpoint.Point{failpoint.MigrationStatement, failpoint.MigrationUncommitted, failpoint.MigrationCommitted}
	if n.migration == 1 {
		points = points[:1]
	}
	for _, p := range points {
		for i := range n.migration {
			nth, rehearse := 1, i%2 == 1 // on a copy first
			switch {
			case p == failpoint.MigrationStatement && rehearse:
				nth = 1 + rng.IntN(2*secondStatements)
			case p == failpoint.MigrationStatement:
				nth = 1 + (i/2)%secondStatements
			}
			dir := c.path(fmt.Sprintf("%s%d", p, i))
			took, err := c.migration(ctx, origin, filepath.Join(dir, "notes.db"), both, p, nth, rehearse)
			if err != nil {
				return fmt.Errorf("%s:%d: %w", p, nth, err)
			}
			c.killedAt(string(p), took)
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *campaign) migration(ctx context.Context, origin, path string, both fs.FS, p failpoint.Point, nth int, rehearse bool) (took time.Duration, err error) {
	if err := copyFile(origin, path); err != nil {
		return 0, err
	}
	program := exec.Command(c.bin.armed, "migrate", "up", "--db", "sqlite:///"+filepath.ToSlash(path), "--dir", c.path("m2"), "--quiet", "--rehearse="+strconv.FormatBool(rehearse))
	if err := run(ctx, arm(program, p, nth), nil); err != nil {
		return 0, err
	}
	if err := c.halfway(ctx, path, p == failpoint.MigrationCommitted && !rehearse); err != nil {
		return 0, fmt.Errorf("right after the kill: %w", err)
	}
	cfg := engine.DefaultConfig(path)
	cfg.Create, cfg.Migrations, cfg.Logger = false, both, quiet()
	began := time.Now()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var rows, wrong, tags int
	if err := db.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE length IS NOT length(text)), (SELECT count(*) FROM tagged) FROM notes").Scan(&rows, &wrong, &tags); err != nil {
		return 0, err
	}
	took = c.took(began)
	if rows != notes || wrong != 0 || tags != notes {
		return took, fmt.Errorf("after the next start: %d notes, %d of them wrong, %d tags", rows, wrong, tags)
	}
	st, err := db.Migrations().Status(ctx)
	if err != nil {
		return took, err
	}
	if err := errors.Join(st.Err(), tooSlow(took)); err != nil {
		return took, err
	}
	if st.Current != 2 || len(st.Pending) > 0 || st.Unsettled != nil {
		return took, fmt.Errorf("after the next start: version %d, %d pending", st.Current, len(st.Pending))
	}
	return took, torture.Intact(ctx, db)
}

// halfway reads what the kill left, with no migrations of its own.
func (c *campaign) halfway(ctx context.Context, path string, committed bool) error {
	cfg := engine.DefaultConfig(path)
	cfg.Create, cfg.ReadOnly, cfg.Logger = false, true, quiet()
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	var rows, objects int
	const look = "SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM sqlite_schema WHERE name IN ('by_text', 'tags', 'tagged')) + (SELECT count(*) FROM pragma_table_info('notes') WHERE name = 'length')"
	if err := db.QueryRow(ctx, look).Scan(&rows, &objects); err != nil {
		return err
	}
	want := 0
	if committed {
		want = 4
	}
	if rows != notes || objects != want {
		return fmt.Errorf("%d of %d notes, %d of the migration's 4 changes of the schema, want %d", rows, notes, objects, want)
	}
	return nil
}
