package bench

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const callers = 100

// load runs work from a hundred goroutines and returns transactions a second.
func load(t *testing.T, s store, d time.Duration, work func(ctx context.Context, s store, account, id int64) error) float64 {
	t.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for a := 1; a <= callers; a++ {
		wg.Go(func() {
			for i := int64(1); time.Since(began) < d; i++ {
				if err := work(t.Context(), s, int64(a), i<<32|began.UnixNano()&0xffff<<16|int64(a)); err != nil {
					t.Errorf("%v", err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}

// fsyncs is how many synced appends a second the disk does, alone.
func fsyncs(t *testing.T) float64 {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	n := 0
	began := time.Now()
	for time.Since(began) < time.Second {
		if _, err := f.Write(page); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return float64(n) / time.Since(began).Seconds()
}

// TestVersus is the comparison that docs/performance.md quotes: the engine, a naive pool of a hundred connections and a tuned
// pool of one, with the same SQL on the same schema.
func TestVersus(t *testing.T) {
	d := 4 * time.Second
	ctx := t.Context()
	open := map[string]func(path string) (store, error){
		"engine":      func(p string) (store, error) { return openEngine(ctx, p) },
		"pool of 100": func(p string) (store, error) { return openPool(ctx, p, 100, prepared) },
		"pool of 1":   func(p string) (store, error) { return openPool(ctx, p, 1, prepared) },
	}
	t.Logf("calibration: %.0f fsync/s", fsyncs(t))
	rows, fills := map[string]float64{}, map[string]float64{}
	var perSync float64
	for _, name := range []string{"pool of 100", "pool of 1", "engine"} {
		s, err := open[name](filepath.Join(t.TempDir(), "b.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := seed(ctx, s, callers); err != nil {
			t.Fatal(err)
		}
		before := s.syncs()
		rows[name] = load(t, s, d, one)
		if syncs := s.syncs() - before; syncs > 0 {
			perSync = rows[name] * d.Seconds() / float64(syncs)
		}
		fills[name] = load(t, s, d, fill)
		t.Logf("%-12s %8.0f one-row durable transactions/s %8.0f fills/s", name, rows[name], fills[name])
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	for _, peer := range []string{"pool of 100", "pool of 1"} {
		t.Logf("engine / %s: one row %.1f, whole fill %.1f", peer, rows["engine"]/rows[peer], fills["engine"]/fills[peer])
	}
	t.Logf("transactions per fsync: %.1f", perSync)
	if r := rows["engine"] / rows["pool of 100"]; r < 15 {
		t.Errorf("one-row durable throughput is %.1f times the naive pool's, want 15", r)
	}
	if r := fills["engine"] / fills["pool of 100"]; r < 4 {
		t.Errorf("whole fills are %.1f times the naive pool's, want 4", r)
	}
	if perSync < 20 {
		t.Errorf("%.1f transactions per fsync, want 20", perSync)
	}
}
