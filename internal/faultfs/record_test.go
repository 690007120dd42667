package faultfs_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// TestRecorderMissesNothing replays the log of a life with checkpoints and compares it with the real files after every step: a power cut
// that loses nothing must leave exactly what is on the disk.
func TestRecorderMissesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "r.db")
	rec := &faultfs.Recorder{}
	same := func(step string) {
		t.Helper()
		var d faultfs.Disk
		for _, e := range rec.Events() {
			d.Apply(e)
		}
		image := d.Image(faultfs.LoseNothing, nil)
		for _, name := range []string{"r.db", "r.db-wal"} {
			real, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if replayed := image[name]; !bytes.Equal(real, replayed) {
				t.Errorf("%s: %s has %d bytes, its replay %d", step, name, len(real), len(replayed))
			}
		}
	}
	opt := sqlite.DefaultOptions()
	opt.Faults = rec
	s, err := sqlite.Open(context.Background(), sqlite.Location{Path: path}, opt)
	if err != nil {
		t.Fatal(err)
	}
	same("open")
	w, err := s.Connect(context.Background(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"CREATE TABLE t(a)", "INSERT INTO t VALUES(zeroblob(50000)),(randomblob(9000))", "DELETE FROM t", "INSERT INTO t VALUES(1)"} {
		if err := w.Exec(sql); err != nil {
			t.Fatal(err)
		}
		same(sql)
	}
	for _, mode := range []sqlite.CheckpointMode{sqlite.Passive, sqlite.Truncate} {
		if _, _, _, err := w.Checkpoint(mode); err != nil {
			t.Fatal(err)
		}
		same("checkpoint")
	}
	if err := errors.Join(w.Exec("INSERT INTO t VALUES(randomblob(100000))"), w.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	same("close")
	if len(rec.Events()) < 50 {
		t.Errorf("only %d events", len(rec.Events()))
	}
}

// TestRecorderAndPlan: what a failed call left on the disk is in the log, and nothing else of it.
func TestRecorderAndPlan(t *testing.T) {
	t.Parallel()
	plan := &faultfs.Plan{}
	rec := &faultfs.Recorder{Plan: plan}
	wal := []sqlite.FileKind{sqlite.FileWAL}
	opt := sqlite.DefaultOptions()
	opt.Faults = rec
	s, err := sqlite.Open(context.Background(), sqlite.Location{Path: filepath.Join(t.TempDir(), "p.db")}, opt)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Connect(context.Background(), sqlite.Writer)
	if err != nil {
		t.Fatal(err)
	}
	before := len(rec.Events())
	plan.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: wal, Nth: 3, Err: syscall.ENOSPC, Short: 100})
	if err := w.Exec("CREATE TABLE t(a)"); sqlite.ClassOf(err) != sqlite.Full {
		t.Fatalf("%v", err)
	}
	var sizes []int
	for _, e := range rec.Events()[before:] {
		if e.Kind == faultfs.Written {
			sizes = append(sizes, len(e.Data))
		}
	}
	if want := []int{32, 24, 100}; !slices.Equal(sizes, want) { // header of the log, header of a frame, part of a page
		t.Errorf("writes of %v bytes, want %v", sizes, want)
	}
	plan.Clear()
	plan.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: wal, Err: syscall.EIO})
	before = len(rec.Events())
	if err := w.Exec("CREATE TABLE t(a)"); sqlite.ClassOf(err) != sqlite.Fsync {
		t.Fatalf("%v", err)
	}
	kinds := map[faultfs.EventKind]int{}
	for _, e := range rec.Events()[before:] {
		kinds[e.Kind]++
	}
	if kinds[faultfs.Synced] != 0 || kinds[faultfs.SyncFailed] != 1 {
		t.Errorf("%d syncs and %d that failed, want 0 and 1", kinds[faultfs.Synced], kinds[faultfs.SyncFailed])
	}
	rec.Mark(faultfs.Mark{Who: 3, N: 4, Durable: true})
	if all := rec.Events(); all[len(all)-1].Mark != (faultfs.Mark{Who: 3, N: 4, Durable: true}) {
		t.Error("the mark is not in the log")
	}
	if err := errors.Join(w.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}
