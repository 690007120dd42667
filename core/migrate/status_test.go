package migrate_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/tidegate/engine/core/migrate"
)

// A start with nothing to do costs the same on a large database as on a small one: it reads the history and the schema, no row.
func TestFastPathDoesNotGrowWithTheData(t *testing.T) {
	if !torture() {
		t.Skip("writes 1 GB; set TIDEGATE_TORTURE=1")
	}
	start := func(b *base) time.Duration {
		m := b.migrator(load(t, os.DirFS("../../migrations")))
		up(t, m)
		var took []time.Duration
		for range 41 {
			rep := up(t, m)
			if rep.Run != "" {
				t.Fatalf("it ran %+v", rep)
			}
			took = append(took, rep.Duration)
		}
		sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
		return took[len(took)/4] // what it costs, where others keep the machine busy
	}
	small, large := newBase(t), newBase(t)
	quick := start(small)
	first := large.migrator(load(t, os.DirFS("../../migrations")))
	up(t, first)
	large.exec("CREATE TABLE _tg_bulk (b BLOB)") // ours, so that the schema is what the history says
	for range 64 {
		large.exec("INSERT INTO _tg_bulk SELECT randomblob(16000) FROM (WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT 1000) SELECT v FROM n)")
	}
	info, err := os.Stat(large.path)
	if err != nil || info.Size() < 900<<20 {
		t.Fatalf("%d bytes: %v", info.Size(), err)
	}
	slow := start(large)
	t.Logf("start with nothing pending: %v on a small database, %v on one of %d MB", quick, slow, info.Size()>>20)
	if slow > 2*quick+2*time.Millisecond {
		t.Errorf("%v on a large database, %v on a small one", slow, quick)
	}
}

// BenchmarkNothingPending is a start of the shipped schema with nothing to do, its connection included.
func BenchmarkNothingPending(b *testing.B) {
	db := openBase(b, b.TempDir()+"/bench.db", nil)
	m := db.migrator(load(b, os.DirFS("../../migrations")))
	if _, err := m.Up(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Up(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// A database with another program's mark is that program's, as one without any mark is.
func TestForeignMark(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "theirs.db")
	foreign(t, path, "CREATE TABLE a (x)", "PRAGMA application_id = 1196444487")
	b := openBase(t, path, nil)
	m := b.migrator(load(t, columns(t)))
	if _, err := m.Up(t.Context()); fmt.Sprint(codes(err)) != "[E01]" {
		t.Errorf("got %v", err)
	}
	if _, err := m.Baseline(t.Context(), migrate.BaselineOptions{}); err != nil {
		t.Fatal(err)
	}
	up(t, m)
}

// The epoch has 32 bits, and another program may have used them up. It changes all the same, or no fence would see that the schema did.
func TestEpochThatCannotGrow(t *testing.T) {
	t.Parallel()
	for _, last := range []int64{math.MaxInt32, math.MaxInt32 - 1, -1, math.MinInt32} {
		path := filepath.Join(t.TempDir(), "theirs.db")
		foreign(t, path, "CREATE TABLE a (x)", fmt.Sprintf("PRAGMA user_version = %d", last))
		b := openBase(t, path, nil)
		seen := map[int64]bool{}
		see := func(what string) {
			t.Helper()
			n := b.integer("PRAGMA user_version")
			if seen[n] {
				t.Errorf("after %d, %s: epoch %d was there before", last, what, n)
			}
			seen[n] = true
		}
		see("at the start")
		m := b.migrator(load(t, columns(t)))
		if _, err := m.Baseline(t.Context(), migrate.BaselineOptions{}); err != nil {
			t.Fatal(err)
		}
		see("baseline")
		up(t, m)
		see("up")
		up(t, b.migrator(load(t, columns(t, "a"))))
		see("up again")
		if _, _, err := m.Restore(t.Context(), migrate.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		see("restore")
	}
}

// foreign makes a database that another program made.
func foreign(t *testing.T, path string, statements ...string) {
	t.Helper()
	b := openBase(t, path, nil)
	b.exec("PRAGMA application_id = 0")
	for _, sql := range statements {
		b.exec(sql)
	}
}
