package migrate_test

import (
	"os"
	"sort"
	"testing"
	"time"
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
