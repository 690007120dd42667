package lane_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// smallDisk mounts a RAM disk, or skips.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a small tmpfs is refused here (%v): the real thing is not tested", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// openIn opens lanes on a database in dir.
func openIn(t *testing.T, path string) *rig {
	t.Helper()
	opt := sqlite.DefaultOptions()
	opt.Degrade = true
	store, err := sqlite.Open(t.Context(), sqlite.Location{Path: path}, opt)
	if err != nil {
		t.Fatal(err)
	}
	cfg := lane.DefaultConfig()
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	l, err := lane.Open(t.Context(), store, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{Lanes: l, store: store, path: path}
}

func (r *rig) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(r.Shutdown(context.Background()), r.store.Close()); err != nil {
		t.Error(err)
	}
}

// TestRealFullDisk fills a small disk: writes fail at once and say so, reads go on, and both work when there is space again.
func TestRealFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "size=3m")
	r := openIn(t, filepath.Join(dir, "d.db"))
	defer r.close(t)
	r.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY, v BLOB) STRICT", "INSERT INTO t VALUES (1, zeroblob(1000))")
	r.number(t, "SELECT count(*) FROM t")
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	ballast.Close()
	var took []time.Duration
	failures := 0
	for i := range 50 {
		began := time.Now()
		err := r.exec(t.Context(), "INSERT INTO t VALUES (?, zeroblob(500000))", int64(10+i))
		if sqlite.ClassOf(err) == sqlite.Full {
			failures++
		} else {
			t.Fatalf("write %d on a full disk: %v", i, err)
		}
		took = append(took, time.Since(began))
		if n := r.number(t, "SELECT count(*) FROM t"); n != 1 {
			t.Fatalf("%d rows while the disk is full", n)
		}
	}
	t.Logf("%d writes refused, the slowest after %v", failures, quantile(took, 1))
	if most := quantile(took, 0.8); most > time.Second { // 100 ms on a machine that is not shared, which may stop us now and then
		t.Errorf("a write took %v to fail", most)
	}
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	r.must(t, "INSERT INTO t VALUES (2, zeroblob(500000))")
	if n := r.number(t, "SELECT count(*) FROM t"); n != 2 {
		t.Errorf("%d rows with space again, want 2", n)
	}
	r.sound(t)
}

// TestReadOnlyMount opens a database on a file system that is mounted read only, and writes once it is not any more.
func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "size=8m")
	path := filepath.Join(dir, "m.db")
	first := openIn(t, path)
	first.must(t, "CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY) STRICT", "INSERT INTO t VALUES (1)")
	first.close(t)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	r := openIn(t, path)
	defer r.close(t)
	if !r.store.Degraded() {
		t.Error("not degraded")
	}
	var took []time.Duration
	for range 5 {
		began := time.Now()
		if err := r.exec(t.Context(), "INSERT INTO t VALUES (2)"); sqlite.ClassOf(err) != sqlite.ReadOnly {
			t.Errorf("a write: %v", err)
		}
		took = append(took, time.Since(began))
		if n := r.number(t, "SELECT count(*) FROM t"); n != 1 {
			t.Errorf("%d rows", n)
		}
	}
	if most := quantile(took, 0.5); most > time.Second {
		t.Errorf("refused after %v", took)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	r.must(t, "INSERT INTO t VALUES (2)")
	if n := r.number(t, "SELECT count(*) FROM t"); n != 2 || r.store.Degraded() {
		t.Errorf("mounted for writing again: %d rows, degraded %v", n, r.store.Degraded())
	}
	r.sound(t)
}
