package engine_test

import (
	"context"
	"errors"
	"os"
	"strings"
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
	var names []string
	for _, c := range h.Checks {
		names = append(names, c.Name)
		if !c.OK || c.Detail == "" || c.Remedy != "" {
			t.Errorf("%+v", c)
		}
	}
	if got := strings.Join(names, " "); got != "read write file wal queue connections breakers quarantine rules migration" {
		t.Errorf("checks %q", got)
	}
	if digest(t, db) != before {
		t.Error("the check has changed the database")
	}
	if c := check(t, openAt(t, made(t), func(c *engine.Config) { c.ReadOnly = true }).Health(t.Context()), "write"); !c.OK || !strings.Contains(c.Detail, "read only") {
		t.Errorf("read only: %+v", c)
	}
}

// TestHealthOfAHeldWriter asks while somebody holds the writer.
func TestHealthOfAHeldWriter(t *testing.T) {
	t.Parallel()
	db := ledger(t)
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		h := db.Health(ctx)
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
