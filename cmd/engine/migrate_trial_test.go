package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/adopt"
	"github.com/tidegate/engine/core/sqlite"
)

// history is the migrations of an application.
type history struct {
	repo, path string
	tool       adopt.Tool
	rows       int      // in each table; more would meet UNIQUE constraints that a later migration adds
	empty      []string // tables that stay empty: a later file makes of their rows what only the application's own rows allow
	until      int64    // number of the first file that is left out, because it needs what a step in Go makes, or a TEMP table, which the engine refuses
}

// histories are migrations of real applications. They are read where they lie, in clones that TIDEGATE_HISTORIES names: a folder with a
// folder owner+name/repo for each. Nothing of them is kept here.
func histories() []history {
	return []history{
		{"stashapp+stash", "pkg/sqlite/migrations", adopt.GolangMigrate, 1, nil, 32},
		{"lightninglabs+taproot-assets", "tapdb/sqlc/migrations", adopt.GolangMigrate, 3, []string{"mint_anchor_uni_commitments", "addr_events"}, 53},
		{"sysadminsmedia+homebox", "backend/internal/data/migrations/sqlite3", adopt.Goose, 3, nil, 20260416120001},
	}
}

// readFromGit reads the SQL files of a folder at HEAD of a clone without a work tree.
func readFromGit(t *testing.T, repo, folder string, until int64) fstest.MapFS {
	t.Helper()
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", repo}, args...)...).Output()
		if err != nil {
			t.Fatalf("git %q: %v", args, err)
		}
		return string(out)
	}
	out := fstest.MapFS{}
	for name := range strings.Lines(git("ls-tree", "--name-only", "HEAD", folder+"/")) {
		if name = strings.TrimSpace(name); strings.HasSuffix(name, ".sql") { // steps in Go cannot be replayed
			// One project has a slip in a file's name.
			base := strings.Replace(filepath.Base(name), ".up..sql", ".up.sql", 1)
			digits, _, _ := strings.Cut(base, "_")
			if n, err := strconv.ParseInt(digits, 10, 64); err != nil || until > 0 && n >= until {
				continue
			}
			out[base] = &fstest.MapFile{Data: []byte(git("show", "HEAD:"+name))}
		}
	}
	return out
}

// plainly applies a migration with SQLite alone: a transaction with foreign keys off.
func plainly(ctx context.Context, c trial, m *migrate.Migration) error {
	return c.open(ctx, func(store *sqlite.Store) error {
		conn, err := store.Connect(ctx, sqlite.Maintenance)
		if err != nil {
			return err
		}
		for _, sql := range []string{"PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"} {
			if err == nil {
				err = conn.Exec(sql)
			}
		}
		if err == nil {
			err = conn.Script(m.Up, nil)
		}
		if err == nil {
			err = conn.Exec("COMMIT")
		}
		return errors.Join(err, conn.Close())
	})
}

// Each history is replayed by the migrator one step at a time, with made-up rows in every table after every step, and beside it by SQLite
// alone on the same rows: both databases have to be the same, value by value.
func TestRealHistories(t *testing.T) {
	root := os.Getenv("TIDEGATE_HISTORIES")
	if root == "" {
		t.Skip("TIDEGATE_HISTORIES names no folder with clones of " + fmt.Sprint(histories()))
	}
	for _, h := range histories() {
		t.Run(h.repo, func(t *testing.T) {
			t.Parallel()
			imported, err := adopt.Import(readFromGit(t, filepath.Join(root, h.repo, "repo"), h.path, h.until), adopt.History{Tool: h.tool})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := writeImported(filepath.Join(dir, "m"), imported); err != nil {
				t.Fatal(err)
			}
			files := os.DirFS(filepath.Join(dir, "m"))
			ours, plain := trial{path: filepath.Join(dir, "ours.db")}, trial{path: filepath.Join(dir, "plain.db")}
			// One project registers a function that its migrations call.
			ours.functions = []sqlite.Function{{Name: "durationToTinyInt", Args: 1, Scalar: func([]sqlite.Value) (any, error) { return int64(90), nil }}}
			plain.functions = ours.functions
			statements, filled, said := 0, 0, []string{}
			ours.at = func(_ *migrate.Migration, n int) error { statements++; return nil }
			for i, f := range imported.Files {
				m, err := migrate.Parse(f.Name, f.Content)
				if err != nil {
					t.Fatal(err)
				}
				if err := plainly(t.Context(), plain, m); err != nil {
					t.Fatalf("%s does not run on SQLite: %v", f.From, err)
				}
				err = ours.up(t.Context(), files, i+1)
				if err != nil && strings.Contains(err.Error(), "-- touches:") {
					// The file changes rows of a table that it rebuilds. The migrator wants that said, so it is said, for every table.
					said = append(said, f.From)
					err = errors.Join(touchAll(t, filepath.Join(dir, "m"), f, plain), ours.up(t.Context(), files, i+1))
				}
				if err != nil {
					t.Fatalf("%s: %v", f.From, err)
				}
				for _, c := range []trial{plain, ours} {
					list, err := c.fill(t.Context(), h.rows)
					if err != nil {
						t.Fatal(err)
					}
					for _, r := range list {
						filled += r.Rows
						if slices.Contains(h.empty, r.Table) {
							emptied(t, c, r.Table)
						}
					}
				}
			}
			compareReplays(t, ours, plain)
			_, tables, err := ours.content(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			empty := []string{}
			for name, rows := range tables {
				if strings.HasPrefix(rows, "0 rows") {
					empty = append(empty, name)
				}
			}
			t.Logf("%s: %d migrations, %d statements, %d tables, %d rows made up along the way; files that had to say what they touch: %v; without rows: %v", h.repo, len(imported.Files), statements, len(tables), filled/2, said, empty)
		})
	}
}

// emptied clears a table and leaves its children alone.
func emptied(t *testing.T, c trial, table string) {
	t.Helper()
	err := plainly(t.Context(), c, &migrate.Migration{Up: "DELETE FROM " + table})
	if err != nil {
		t.Fatal(err)
	}
}

// touchAll adds a line to a file that has not been applied yet.
func touchAll(t *testing.T, dir string, f adopt.File, plain trial) error {
	t.Helper()
	_, tables, err := plain.content(t.Context())
	if err != nil {
		return err
	}
	names := []string{}
	for name := range tables {
		names = append(names, name)
	}
	text := strings.Replace(string(f.Content), "-- +up", "-- touches: "+strings.Join(names, ", ")+"\n-- +up", 1)
	if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(text), 0o600); err != nil {
		return err
	}
	return writeSum(dir)
}

func compareReplays(t *testing.T, ours, plain trial) {
	t.Helper()
	schema, tables, err := plain.content(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now, rows, err := ours.content(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := sameContent(schema, now, tables, rows); diff != "" {
		t.Errorf("the migrator's database is not SQLite's: %s", diff)
	}
}

// The comparison of histories, on one that is always there: the trading schema, and a row too many.
func TestReplayComparison(t *testing.T) {
	t.Parallel()
	s := newSchema(t, ordersFile, indexFile)
	ours, plain := trial{path: s.path}, trial{path: s.path + ".plain"}
	for i, content := range []string{ordersFile, indexFile} {
		m, err := migrate.Parse(fmt.Sprintf("000%d_x.sql", i+1), []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(plainly(t.Context(), plain, m), ours.up(t.Context(), os.DirFS(s.dir), i+1)); err != nil {
			t.Fatal(err)
		}
	}
	compareReplays(t, ours, plain)
	if _, err := plain.fill(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	schema, tables, err := plain.content(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now, rows, err := ours.content(t.Context()); err != nil || sameContent(schema, now, tables, rows) == "" {
		t.Errorf("a row too many is not seen: %v", err)
	}
}
