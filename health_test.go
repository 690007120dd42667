package engine_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

func check(t *testing.T, h engine.Health, name string) engine.Check {
	t.Helper()
	for _, c := range h.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, h)
	return engine.Check{}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	before := digest(t, db)
	h := db.Health(t.Context())
	if !h.OK {
		t.Errorf("not well: %+v", h)
	}
	if !h.Ready || h.Level() != engine.HealthOK {
		t.Errorf("ready %v, level %v", h.Ready, h.Level())
	}
	var names []string
	for _, c := range h.Checks {
		names = append(names, c.Name)
		if !c.OK || !c.Ready || c.Detail == "" || c.Remedy != "" {
			t.Errorf("%+v", c)
		}
	}
	if got := strings.Join(names, " "); got != "read write file wal queue connections breakers quarantine rules migration disk snapshot foreign telemetry alerts" {
		t.Errorf("checks %q", got)
	}
	if digest(t, db) != before {
		t.Error("the check has changed the database")
	}
	if c := check(t, openAt(t, made(t), func(c *engine.Config) { c.ReadOnly = true }).Health(t.Context()), "write"); !c.OK || !strings.Contains(c.Detail, "read only") {
		t.Errorf("read only: %+v", c)
	}
}

// askedFor is what Health says when it has so much time.
func askedFor(t *testing.T, db *engine.DB, limit time.Duration) engine.Health {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return db.Health(ctx)
}

// inTimeFor asks Health while something cannot be answered, with as much time as this machine takes for a check that can.
func inTimeFor(t *testing.T, db *engine.DB, name string) engine.Health {
	t.Helper()
	for limit := 50 * time.Millisecond; ; limit *= 2 {
		if h := askedFor(t, db, limit); check(t, h, name).OK || limit > 4*time.Second {
			return h
		}
	}
}

// TestHealthOfAHeldWriter asks while somebody holds the writer.
func TestHealthOfAHeldWriter(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		h := inTimeFor(t, db, "read")
		if c := check(t, h, "write"); h.OK || c.OK || !strings.Contains(c.Remedy, "long transaction") {
			t.Errorf("%+v", c)
		}
		if c := check(t, h, "read"); !c.OK {
			t.Errorf("%+v", c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHealthTellsOfShedding: while more is written than can be, and refused for it, Health says so; and that it is over.
func TestHealthTellsOfShedding(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *engine.Config) {
		c.Writer.Queue = 64
		c.Extend.Functions = []engine.Function{{Name: "work", Scalar: func([]engine.Value) (any, error) {
			time.Sleep(time.Millisecond)
			return int64(1), nil
		}}}
	})
	exec(t, db, "CREATE TABLE t (n INTEGER)")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for {
				_, err := db.Exec(context.Background(), "INSERT INTO t VALUES (work())")
				if err != nil && !errors.Is(err, engine.ErrOverloaded) {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Microsecond):
				}
			}
		})
	}
	eventually(t, "Health to tell of shedding", func() bool {
		c := check(t, db.Health(t.Context()), "queue")
		return !c.OK && strings.Contains(c.Detail, "the writer sheds load of class normal") && strings.Contains(c.Detail, "turned away") && strings.Contains(c.Remedy, "RetryAfter")
	})
	close(stop)
	wg.Wait()
	eventually(t, "the end of shedding", func() bool { return check(t, db.Health(t.Context()), "queue").OK })
}

// TestHealthTellsOfExhaustedConnections: open rows hold every connection of the readers, and somebody wants one more.
func TestHealthTellsOfExhaustedConnections(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *engine.Config) { c.Readers.Connections = 2 })
	var held []*engine.Rows
	for range 2 {
		rows, err := db.Query(t.Context(), "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, rows)
	}
	third := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { third <- db.QueryRow(ctx, "SELECT 1").Scan(new(int)) }()
	eventually(t, "the third to wait", func() bool { return db.Stats().Readers.Starved == 1 })
	var c engine.Check
	for limit := 50 * time.Millisecond; limit < 5*time.Second && !strings.Contains(c.Detail, "no connection left"); limit *= 2 {
		c = check(t, askedFor(t, db, limit), "connections")
	}
	if c.OK || !strings.Contains(c.Detail, "no connection left for 1 callers") || !strings.Contains(c.Remedy, "readers.connections") {
		t.Errorf("%+v", c)
	}
	cancel()
	if err := <-third; !errors.Is(err, context.Canceled) {
		t.Errorf("the third got %v", err)
	}
	for _, rows := range held {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
	if c := check(t, db.Health(t.Context()), "connections"); !c.OK {
		t.Errorf("nobody waits any more: %+v", c)
	}
}

// TestFileReplaced puts another database under the path. What is acknowledged afterwards must be in it.
func TestFileReplaced(t *testing.T) {
	t.Parallel()
	db, path := closable(t)
	defer db.Close()
	other, err := os.ReadFile(made(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Rename(f, f+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	write(t, path, other)
	if c := check(t, db.Health(t.Context()), "file"); c.OK || !strings.Contains(c.Detail, "moved or replaced") || c.Remedy == "" {
		t.Errorf("%+v", c)
	}
	acknowledged := 0
	eventually(t, "a write on the new file", func() bool {
		_, err := db.Exec(t.Context(), "INSERT INTO kept VALUES (2, 'two')")
		if err == nil {
			acknowledged++
		}
		return acknowledged > 0 && db.Stats().Writer.File.Moved > 0
	})
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if n := one(t, openAt(t, path), "SELECT count(*) FROM kept WHERE a = 2"); n != int64(acknowledged) {
		t.Errorf("%d rows in the new file, %d were acknowledged", n, acknowledged)
	}
}
