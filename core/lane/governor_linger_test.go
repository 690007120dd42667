//go:build linux || darwin

package lane_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// TestLingeringReaderFreesTheLog: a reader between two reads keeps its snapshot for a moment only. Another program's checkpoint gets
// the log when nobody reads any more, without a write of ours to clear the way.
func TestLingeringReaderFreesTheLog(t *testing.T) {
	t.Parallel()
	for _, class := range []lane.Class{lane.Normal, lane.Analytics, lane.Maintenance} {
		t.Run(class.String(), func(t *testing.T) {
			t.Parallel()
			freesTheLog(t, class)
		})
	}
}

func freesTheLog(t *testing.T, class lane.Class) {
	r := build(t, nil)
	r.must(t, "CREATE TABLE v (n INTEGER) STRICT", "INSERT INTO v VALUES (1)")
	// Lanes that only read: else the writer, when it has nothing to do, would end the snapshot.
	l, err := lane.Open(t.Context(), r.store, lane.DefaultConfig(), errors.New("for reading only"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Shutdown(context.Background())
	read := func() {
		t.Helper()
		c, err := l.Query(t.Context(), lane.ReadOptions{Class: class}, "SELECT n FROM v", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := c.Next(t.Context()); !ok {
			t.Fatal(err)
		}
		c.Finish()
	}
	other, err := r.store.Connect(t.Context(), sqlite.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BusyTimeout(0); err != nil { // else it would wait until the snapshot is gone
		t.Fatal(err)
	}
	blocked := false
	for range 200 { // until a read is met in between: the housekeeping may come at any moment
		for range 10 {
			read()
		}
		if _, _, busy, err := other.Checkpoint(sqlite.Truncate); err != nil {
			t.Fatal(err)
		} else if busy {
			blocked = true
			break
		}
		r.must(t, "UPDATE v SET n = n + 1") // so that there is a log again
	}
	if !blocked {
		t.Fatal("no kept snapshot was ever in the way: this test shows nothing")
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, _, busy, err := other.Checkpoint(sqlite.Truncate)
		if err != nil {
			t.Fatal(err)
		}
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("idle readers still keep the log from being reset")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestLingeringReaderSeesNewTables: a statement about a table that was made since the snapshot that is kept can be compiled.
func TestLingeringReaderSeesNewTables(t *testing.T) {
	t.Parallel()
	r := build(t, nil)
	r.must(t, "CREATE TABLE v (n INTEGER) STRICT", "INSERT INTO v VALUES (1)")
	number := func(sql string) int64 {
		t.Helper()
		c, err := r.Query(t.Context(), lane.ReadOptions{}, sql, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Finish()
		if ok, err := c.Next(t.Context()); !ok {
			t.Fatal(err)
		}
		return c.Row()[0].Int
	}
	for i := range 20 {
		for range 10 {
			if n := number("SELECT n FROM v"); n != 1 {
				t.Fatal(n)
			}
		}
		r.must(t, fmt.Sprintf("CREATE TABLE t%d (n INTEGER) STRICT", i))
		if n := number(fmt.Sprintf("SELECT count(*) FROM t%d", i)); n != 0 {
			t.Fatal(n)
		}
	}
}
