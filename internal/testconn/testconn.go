// Package testconn gives tests a connection of their own: that of another program beside an engine, or one that may do what no statement of
// a user may.
package testconn

import (
	"errors"
	"sync"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/sqlite/plain"
)

// Open connects to the database of a path, which it makes where there is none. Both are closed when the test ends.
func Open(t testing.TB, path string, change ...func(*sqlite.Options)) *sqlite.Conn {
	t.Helper()
	c, closed := connect(t, path, change)
	t.Cleanup(func() {
		if err := closed(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Use is Open for as long as do runs.
func Use(t testing.TB, path string, do func(*sqlite.Conn), change ...func(*sqlite.Options)) {
	t.Helper()
	c, closed := connect(t, path, change)
	defer func() { // also where do ends the test
		t.Helper()
		if err := closed(); err != nil {
			t.Error(err)
		}
	}()
	do(c)
}

// Seize lets nobody else into a database that nobody has open, as the last to close it does for a moment, until the function is called.
func Seize(t testing.TB, path string) (back func()) {
	t.Helper()
	c, err := plain.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	back = sync.OnceFunc(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(back)
	if err := c.Exec("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	return back
}

// Exec runs statements past the guard of users.
func Exec(t testing.TB, c *sqlite.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := c.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func connect(t testing.TB, path string, change []func(*sqlite.Options)) (c *sqlite.Conn, closed func() error) {
	t.Helper()
	opt := sqlite.DefaultOptions()
	for _, f := range change {
		f(&opt)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Location{Path: path}, opt)
	if err != nil {
		t.Fatal(err)
	}
	c, err = store.Connect(t.Context(), sqlite.Writer)
	if err != nil {
		t.Fatal(errors.Join(err, store.Close()))
	}
	return c, func() error { return errors.Join(c.Close(), store.Close()) }
}
