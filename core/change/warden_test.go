package change_test

import (
	"testing"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// step runs a statement of a transaction at a connection, between the words that a lane would say to its warden.
func step(t *testing.T, c *sqlite.Conn, w lane.Warden, again bool, sql string) {
	t.Helper()
	s, err := c.Prepare(sql)
	must(t, err)
	defer s.Release()
	must(t, s.Bind(nil))
	w.Before()
	for {
		row, err := s.Step()
		must(t, err)
		if !row {
			break
		}
	}
	if again {
		must(t, w.Again(false))
	} else {
		must(t, w.After(t.Context(), false))
	}
}

// TestBeginsAgainElsewhere: a transaction that begins again on another connection is judged by the rules that it began with, keeps what its rules have kept, and gives the rules back once.
func TestBeginsAgainElsewhere(t *testing.T) {
	t.Parallel()
	old, next := &counting{name: "c", most: 1000}, &counting{name: "next", most: 1000}
	src := &set{}
	src.change(watch(old, "trades", "id", "qty"))
	r := build(t, change.Config{Source: src}, trades)
	var conns [2]*sqlite.Conn
	var wardens [2]lane.Warden
	for i := range conns {
		c, err := r.store.Connect(t.Context(), sqlite.Writer)
		must(t, err)
		defer func() { must(t, c.Close()) }()
		conns[i], wardens[i] = c, r.enforcer.Attach(c)
	}
	a, b := wardens[0], wardens[1]
	// The second connection has held rules of its own before.
	must(t, conns[1].Exec("BEGIN IMMEDIATE"))
	must(t, b.Begin(nil))
	step(t, conns[1], b, false, "INSERT INTO trades (id, qty) VALUES (1, 1)")
	must(t, b.Seal(t.Context()))
	must(t, conns[1].Exec("COMMIT"))
	b.End()
	must(t, conns[0].Exec("BEGIN IMMEDIATE"))
	must(t, a.Begin(nil))
	step(t, conns[0], a, false, "INSERT INTO trades (id, qty) VALUES (2, 1), (3, 1)")
	must(t, conns[0].Exec("ROLLBACK"))
	src.change(watch(next, "trades", "id", "qty"))
	must(t, conns[1].Exec("BEGIN IMMEDIATE"))
	must(t, b.Begin(a))
	step(t, conns[1], b, true, "INSERT INTO trades (id, qty) VALUES (2, 1), (3, 1)")
	step(t, conns[1], b, false, "INSERT INTO trades (id, qty) VALUES (4, 1)")
	must(t, b.Seal(t.Context()))
	must(t, conns[1].Exec("COMMIT"))
	if n := src.held.Load(); n != 1 {
		t.Errorf("%d sets of rules are held, want that of the transaction", n)
	}
	b.End()
	if n := src.held.Load(); n != 1 {
		t.Errorf("%d sets of rules are held: the second connection gave back what it had not taken", n)
	}
	a.End()
	if n := src.held.Load(); n != 0 {
		t.Errorf("%d sets of rules are held at the end", n)
	}
	if got := r.all(t, keptRows); got != "c,4" {
		t.Errorf("kept %s, want c,4", got)
	}
	// The next transaction there has the rules of now.
	must(t, conns[1].Exec("BEGIN IMMEDIATE"))
	must(t, b.Begin(nil))
	step(t, conns[1], b, false, "INSERT INTO trades (id, qty) VALUES (5, 1)")
	must(t, conns[1].Exec("COMMIT"))
	b.End()
	if got := r.all(t, keptRows); got != "c,4 next,1" || src.held.Load() != 0 {
		t.Errorf("kept %s, %d sets are held", got, src.held.Load())
	}
}
