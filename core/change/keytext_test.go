package change_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/change"
)

// TestKeysOfRows: what is told of a row's key is what the configuration allows, in the error and in the event, which is logged and stored.
func TestKeysOfRows(t *testing.T) {
	t.Parallel()
	const secret = "ann@example.com"
	for keys, want := range map[change.Keys][2]string{
		change.KeysFull: {secret + ",7", "4"},
		change.KeysHash: {"", "4"},
		change.KeysNone: {"", ""},
	} {
		src := &set{}
		src.change(watch(positive(), "trades", "id", "qty", "note"), watch(positive(), "people", "n", "qty", "n"))
		r := build(t, change.Config{Source: src, Keys: keys}, trades, "CREATE TABLE people (mail TEXT, n INTEGER, qty INTEGER, PRIMARY KEY (mail, n)) WITHOUT ROWID")
		for i, sql := range []string{"INSERT INTO people VALUES ('" + secret + "', 7, -1)", "INSERT INTO trades (id, qty) VALUES (4, -1)"} {
			err := r.do(t, sql)
			var rej *change.RejectedError
			if !errors.As(err, &rej) {
				t.Fatalf("%v", err)
			}
			if keys == change.KeysHash && i == 0 {
				hash, number, _ := strings.Cut(rej.Key, ",")
				if len(hash) != 17 || hash[0] != '#' || number != "7" {
					t.Errorf("%q", rej.Key)
				}
			} else if rej.Key != want[i] {
				t.Errorf("%v: %q, want %q", keys, rej.Key, want[i])
			}
			ev := r.happened()
			if len(ev) != 1 || ev[0].Verdict.Key != rej.Key {
				t.Errorf("%+v", ev)
			}
			if keys != change.KeysFull && strings.Contains(err.Error(), secret) || keys == change.KeysNone && strings.Contains(err.Error(), "row ,") {
				t.Errorf("%v", err)
			}
		}
	}
}

// TestCountsOfEach: each version is counted by itself, in service and in shadow mode.
func TestCountsOfEach(t *testing.T) {
	t.Parallel()
	src := &set{}
	strict := watch(&rule{name: "limits", judge: positive().judge}, "trades", "id", "qty", "note")
	tried := watch(&counting{name: "limits", most: 1000}, "trades", "id", "qty")
	tried.Shadow = true
	src.change(strict, tried)
	r := build(t, change.Config{Source: src, Checks: []change.Check{{Table: "trades", Expr: "qty < 100"}}}, trades)
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1), (2, 2)"))
	if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (3, 100)"); !errors.Is(err, change.ErrRejected) {
		t.Error(err)
	}
	if err := r.do(t, "INSERT INTO trades (id, qty) VALUES (3, 0)"); !errors.Is(err, change.ErrRejected) {
		t.Error(err)
	}
	src.change(tried)
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (4, -1)"))
	type count struct{ rows, rejected, shadowed uint64 }
	got := map[string]count{}
	for _, s := range r.enforcer.Each() {
		name := s.Plugin + " " + s.Version
		if s.Shadow {
			name += " tried"
		}
		got[name] = count{s.Rows, s.Rejected, s.Shadowed}
	}
	want := map[string]count{"check 1 ": {5, 1, 0}, "limits 1.0.0": {3, 1, 0}, "limits 1 tried": {3, 0, 1}}
	if len(got) != len(want) {
		t.Errorf("%+v", got)
	}
	for name, c := range want {
		if got[name] != c {
			t.Errorf("%s: %+v, want %+v", name, got[name], c)
		}
	}
}
