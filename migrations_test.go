package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

func TestOldProcessIsFenced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fenced.db")
	open := func(versions int, compat string) *engine.DB {
		cfg := config(path)
		set := schema(t, versions)
		if compat != "" {
			name := fmt.Sprintf("%04d_t%d.sql", versions, versions)
			set[name].Data = []byte(strings.Replace(string(set[name].Data), fmt.Sprintf("compat: %04d", versions), "compat: "+compat, 1))
			delete(set, migrate.SumFile)
			sum, err := migrate.Sum(set)
			if err != nil {
				t.Fatal(err)
			}
			set[migrate.SumFile] = &fstest.MapFile{Data: sum}
		}
		cfg.Migrations = set
		db, err := engine.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	old := open(1, "")
	exec(t, old, "INSERT INTO t1 VALUES (1, 'a')")
	additive := open(2, "0001")
	exec(t, old, "INSERT INTO t1 VALUES (2, 'b')") // the new table is no business of the old program
	exec(t, additive, "INSERT INTO t2 VALUES (1, 'a')")
	open3 := config(path)
	set := fstest.MapFS{}
	for name, f := range open2(t, additive) {
		set[name] = f
	}
	set["0003_demanding.sql"] = &fstest.MapFile{Data: []byte("-- migration: demanding\n-- compat: 0003\n-- +up\nALTER TABLE t1 RENAME COLUMN b TO c;\n-- +down\nALTER TABLE t1 RENAME COLUMN c TO b;\n")}
	delete(set, migrate.SumFile)
	sum, err := migrate.Sum(set)
	if err != nil {
		t.Fatal(err)
	}
	set[migrate.SumFile] = &fstest.MapFile{Data: sum}
	open3.Migrations = set
	now, err := engine.Open(t.Context(), open3)
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	for range 2 {
		_, err := old.Exec(t.Context(), "INSERT INTO t1 VALUES (3, 'c')")
		var fenced *migrate.FencedError
		if !errors.Is(err, engine.ErrSchemaFenced) || !errors.As(err, &fenced) || engine.Retryable(err) {
			t.Errorf("got %v", err)
		}
		wantOnly(t, err, engine.ErrSchemaFenced)
	}
	exec(t, now, "INSERT INTO t1 VALUES (3, 'c')")
	// Back to what the old program knows, its writes go on.
	if _, err := now.Migrations().Down(t.Context(), migrate.DownOptions{To: 2}); err != nil {
		t.Fatal(err)
	}
	exec(t, old, "INSERT INTO t1 VALUES (4, 'd')")
	if _, err := now.Exec(t.Context(), "INSERT INTO t1 VALUES (5, 'e')"); !errors.Is(err, engine.ErrSchemaFenced) {
		t.Errorf("the program whose migration was taken back got %v", err)
	}
}

// open2 is the set that db was opened with.
func open2(t *testing.T, db *engine.DB) fstest.MapFS {
	t.Helper()
	set, ok := db.Config().Migrations.(fstest.MapFS)
	if !ok {
		t.Fatal("another kind of file system")
	}
	return set
}

func TestProbeReadsTheDatabaseBeforeTraffic(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(t.TempDir(), "probed.db"))
	cfg.Migrations = schema(t, 1)
	var seen int64
	cfg.Migrate.Probes = []engine.MigrationProbe{{Name: "tables", Check: func(ctx context.Context, db *engine.DB) error {
		if _, err := db.Exec(ctx, "INSERT INTO t1 VALUES (1, 'a')"); !errors.Is(err, engine.ErrReadOnly) {
			t.Errorf("a probe could write: %v", err)
		}
		return db.QueryRow(ctx, "SELECT count(*) FROM pragma_table_list WHERE name = 't1'").Scan(&seen)
	}}}
	db, err := engine.Open(t.Context(), cfg)
	if err != nil || seen != 1 {
		t.Fatalf("the probe saw %d tables: %v", seen, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Migrations = schema(t, 2)
	cfg.Migrate.Probes[0].Check = func(context.Context, *engine.DB) error { return errors.New("no") }
	_, err = engine.Open(t.Context(), cfg)
	wantOnly(t, err, engine.ErrMigration)
	wantText(t, err, "tables failed after the migration", "put back")
	m, err := engine.OpenMigrator(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if st, err := m.Status(t.Context()); err != nil || st.Current != 1 || len(st.Pending) != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestGoMigrationsAndComponents(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(t.TempDir(), "coded.db"))
	cfg.Migrations = schema(t, 1)
	cfg.Migrate.Go = []engine.GoMigration{{Version: 2, Name: "fill", Touches: []string{"t1"}, Fingerprint: "1",
		Up: func(_ context.Context, tx *engine.GoMigrationTx) error {
			return tx.Exec("INSERT INTO t1 VALUES (?, ?)", 1, "filled")
		},
		Down: func(_ context.Context, tx *engine.GoMigrationTx) error { return tx.Exec("DELETE FROM t1") }}}
	plugin := func(up string) fstest.MapFS {
		set := fstest.MapFS{"0001_a.sql": &fstest.MapFile{Data: []byte("-- migration: a\n-- compat: 0001\n-- needs: main 0002\n-- +up\n" + up + "\n-- +down\nDROP TABLE p_risk_a;\n")}}
		sum, err := migrate.Sum(set)
		if err != nil {
			t.Fatal(err)
		}
		set[migrate.SumFile] = &fstest.MapFile{Data: sum}
		return set
	}
	cfg.Migrate.Components = []engine.ComponentMigrations{{Name: "risk", Files: plugin("CREATE TABLE p_risk_a (x); DELETE FROM t1;")}}
	_, err := engine.Open(t.Context(), cfg)
	wantOnly(t, err, engine.ErrMigration)
	wantText(t, err, "component risk", "p_risk_")
	cfg.Migrate.Components[0].Files = plugin("CREATE TABLE p_risk_a (x REFERENCES t1);")
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	st, err := db.Migrations().Status(t.Context())
	if err != nil || len(st.Components) != 2 || st.Components[1].Current != 1 || st.Current != 2 {
		t.Errorf("status %+v, %v", st, err)
	}
	_, err = db.Migrations().Down(t.Context(), migrate.DownOptions{To: 1})
	wantText(t, err, "E11", "engine migrate down --to 0 --component risk")
	if _, err := db.Migrations().Down(t.Context(), migrate.DownOptions{Component: "risk"}); err != nil {
		t.Error(err)
	}
	if _, err := db.Migrations().Down(t.Context(), migrate.DownOptions{To: 1, AllowDataLoss: true}); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBackgroundSectionMovesEveryRow(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(t.TempDir(), "moved.db"))
	files := func(second string) fstest.MapFS {
		set := fstest.MapFS{"0001_a.sql": &fstest.MapFile{Data: []byte(`-- migration: rows
-- compat: 0001
-- +up
CREATE TABLE m (id INTEGER PRIMARY KEY, a INTEGER NOT NULL);
INSERT INTO m SELECT value, value FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 3000) SELECT value FROM n);
-- +down
DROP TABLE m;
`)}}
		if second != "" {
			set["0002_b.sql"] = &fstest.MapFile{Data: []byte(second)}
		}
		sum, err := migrate.Sum(set)
		if err != nil {
			t.Fatal(err)
		}
		set[migrate.SumFile] = &fstest.MapFile{Data: sum}
		return set
	}
	cfg.Migrations = files(`-- migration: b from a
-- compat: 0001
-- +up
ALTER TABLE m ADD COLUMN b INTEGER;
-- +down
ALTER TABLE m DROP COLUMN b;
-- +background
UPDATE m SET b = a * 10 WHERE id IN (SELECT id FROM m WHERE b IS NULL LIMIT :batch);
`)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Closed in the middle and opened again, it goes on where it was.
	wait := func(enough func(migrate.Move) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			moves, err := db.Migrations().Moves(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(moves) == 1 && enough(moves[0]) {
				return
			}
		}
	}
	wait(func(m migrate.Move) bool { return m.Rows > 0 })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = engine.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wait(func(m migrate.Move) bool { return m.Done && m.Rows == 3000 })
	var n int64
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM m WHERE b = a * 10").Scan(&n); err != nil || n != 3000 {
		t.Errorf("%d rows moved: %v", n, err)
	}
}
