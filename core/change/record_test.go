package change_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tidegate/engine/core/change"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/sdk/abi"
)

// TestRecordsComeBack: every part of a stored verdict comes back as it was, newest first, no more than are asked for, and no more than are kept.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{})
	if got, err := change.Last(t.Context(), r.Lanes, 5); err != nil || len(got) != 0 {
		t.Errorf("before the first: %v %v", got, err)
	}
	var want []change.Record
	for i, op := range []abi.Op{abi.OpInsert, abi.OpUpdate, abi.OpDelete, abi.OpInsert} {
		want = append(want, change.Record{At: time.Unix(0, int64(1000+i)), Kind: fmt.Sprint("kind", i), Trace: fmt.Sprint("trace", i), Verdict: change.RejectedError{Plugin: fmt.Sprint("plugin", i),
			Version: fmt.Sprint("version", i), Rule: uint32(10 + i), Op: op, Table: fmt.Sprint("table", i), Column: fmt.Sprint("column", i), Key: fmt.Sprint("key", i), Rows: 20 + i,
			Reason: fmt.Sprint("reason", i), Severity: abi.Severity(i), Receipt: change.Receipt{Module: fmt.Sprint("module", i), Config: fmt.Sprint("config", i), Batch: fmt.Sprint("batch", i), Fuel: int64(30 + i)}}})
	}
	// What waits when it is closed is stored as well: the writer is busy until everything waits.
	rec := change.NewRecorder(r.Lanes, 3)
	busy, closed := make(chan struct{}), make(chan struct{})
	_, err := r.Update(t.Context(), lane.JobOptions{}, func(*lane.Tx) error {
		for i := range want {
			rec.Add(want[i])
		}
		close(busy)
		go func() {
			defer close(closed)
			rec.Close()
		}()
		return nil
	})
	must(t, err)
	<-busy
	<-closed
	got, err := change.Last(t.Context(), r.Lanes, 10)
	must(t, err)
	if len(got) != 3 || rec.Dropped() != 0 {
		t.Fatalf("%d are stored, %d were dropped; want the last 3", len(got), rec.Dropped())
	}
	for i := range got {
		if w := want[3-i]; !got[i].At.Equal(w.At) || !reflect.DeepEqual(got[i].Verdict, w.Verdict) || got[i].Kind != w.Kind || got[i].Trace != w.Trace {
			t.Errorf("got  %+v\nwant %+v", got[i], w)
		}
	}
	if got, err := change.Last(t.Context(), r.Lanes, 1); err != nil || len(got) != 1 || got[0].Kind != "kind3" {
		t.Errorf("the last one: %+v %v", got, err)
	}
}

// TestRecordsBeforeTheEnd: what was told before Close is stored, whichever of the two is seen first.
func TestRecordsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	const rounds = 30
	r := build(t, change.Config{})
	for range rounds {
		rec := change.NewRecorder(r.Lanes, 2*rounds)
		rec.Add(change.Record{Kind: "rejected"})
		rec.Close()
	}
	if got, err := change.Last(t.Context(), r.Lanes, 2*rounds); err != nil || len(got) != rounds {
		t.Errorf("%d of %d are stored: %v", len(got), rounds, err)
	}
}

// TestUnreadIsNotEmpty: what could not be read is not taken for nothing, least of all a quarantine.
func TestUnreadIsNotEmpty(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{}, trades)
	must(t, (&change.Quarantine{Plugin: "a"}).Store(t.Context(), r.Lanes))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range map[string]func() error{
		"Quarantines":    func() error { _, err := change.Quarantines(ctx, r.Lanes); return err },
		"LiftQuarantine": func() error { return change.LiftQuarantine(ctx, r.Lanes, "a") },
		"Store":          func() error { return (&change.Quarantine{Plugin: "b"}).Store(ctx, r.Lanes) },
		"Last":           func() error { _, err := change.Last(ctx, r.Lanes, 1); return err },
		"AllKept":        func() error { _, err := change.AllKept(ctx, r.Lanes); return err },
		"KeptBy":         func() error { _, err := change.KeptBy(ctx, r.Lanes, "a", 1); return err },
		"Forget":         func() error { _, err := change.Forget(ctx, r.Lanes, "a", false); return err },
		"Guarded":        func() error { _, err := change.Guarded(ctx, r.Lanes, "trades"); return err },
		"Guard":          func() error { return change.Guard(ctx, r.Lanes, "trades") },
	} {
		if err := read(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecordsThatCannotBeStored: they are counted.
func TestRecordsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{})
	r.Freeze(errors.New("nothing is written"))
	defer r.Thaw()
	rec := change.NewRecorder(r.Lanes, 3)
	rec.Add(change.Record{Kind: "rejected"})
	rec.Add(change.Record{Kind: "rejected"})
	rec.Close()
	if n := rec.Dropped(); n != 2 {
		t.Errorf("%d were counted as dropped, want 2", n)
	}
}

// TestQuarantinesComeBack: what is written down of a quarantine is what a restart reads, one of each plug-in, until it is lifted.
func TestQuarantinesComeBack(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{})
	must(t, change.LiftQuarantine(t.Context(), r.Lanes, "a"))
	a := change.Quarantine{Plugin: "a", Version: "1.2.3", Module: "module", Config: "config", At: time.Unix(0, 42), Reason: "five faults"}
	b := change.Quarantine{Plugin: "b", Version: "0.1.0", Module: "m2", Config: "c2", At: time.Unix(7, 0), Reason: "an operator"}
	older := a
	older.Version, older.Reason = "1.0.0", "another"
	for _, q := range []change.Quarantine{older, b, a} {
		must(t, q.Store(t.Context(), r.Lanes))
	}
	list := func(want ...change.Quarantine) {
		t.Helper()
		got, err := change.Quarantines(t.Context(), r.Lanes)
		must(t, err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	list(a, b)
	must(t, change.LiftQuarantine(t.Context(), r.Lanes, "a"))
	list(b)
	must(t, change.LiftQuarantine(t.Context(), r.Lanes, "nobody"))
	must(t, change.LiftQuarantine(t.Context(), r.Lanes, "b"))
	list()
	r.Freeze(errors.New("nothing is written"))
	defer r.Thaw()
	if err := a.Store(t.Context(), r.Lanes); err == nil {
		t.Error("a quarantine that was not written down looks as if it were")
	}
}

// TestForgottenValues: what is forgotten counts no more, and what belongs to others, or to the version in service, stays.
func TestForgottenValues(t *testing.T) {
	t.Parallel()
	src := &set{}
	tried := watch(&counting{name: "c", most: 1000}, "trades", "id", "qty")
	tried.Shadow = true
	src.change(watch(&counting{name: "c", most: 1000}, "trades", "id", "qty"), watch(&counting{name: "other", most: 1000}, "trades", "id", "qty"), tried)
	r := build(t, change.Config{Source: src}, trades)
	if n, err := change.Forget(t.Context(), r.Lanes, "c", false); n != 0 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (1, 1)"))
	kept := func(want string) {
		t.Helper()
		all, err := change.AllKept(t.Context(), r.Lanes)
		must(t, err)
		var got string
		for _, k := range all {
			got += fmt.Sprintf("%s %v %d; ", k.Plugin, k.Shadow, k.Values)
		}
		if got != want {
			t.Errorf("%s want %s", got, want)
		}
	}
	kept("c false 1; c true 1; other false 1; ")
	forget := func(shadow bool, want int64) {
		t.Helper()
		if n, err := change.Forget(t.Context(), r.Lanes, "c", shadow); n != want || err != nil {
			t.Errorf("%d are forgotten, want %d: %v", n, want, err)
		}
	}
	forget(true, 1)
	kept("c false 1; other false 1; ")
	forget(true, 0)
	values, err := change.KeptBy(t.Context(), r.Lanes, "c", 5)
	if err != nil || len(values) != 1 || values[0].Key != "rows" || string(values[0].Value) != "1" || values[0].Shadow {
		t.Errorf("%+v %v", values, err)
	}
	must(t, r.do(t, "INSERT INTO trades (id, qty) VALUES (2, 1)"))
	forget(false, 2)
	kept("other false 1; ")
	forget(false, 0)
	if got := r.all(t, "SELECT plugin, key FROM _tg_plugin_kv ORDER BY 1, 2"); got != "other, other,rows" {
		t.Errorf("what is left: %s", got)
	}
}

// TestGuardOfNoTable: a table that is not there is not guarded, and who asks for it hears of that.
func TestGuardOfNoTable(t *testing.T) {
	t.Parallel()
	r := build(t, change.Config{}, trades)
	if err := change.Guard(t.Context(), r.Lanes, "no_such"); err == nil {
		t.Error("a table that is not there was guarded")
	}
	if ok, err := change.Guarded(t.Context(), r.Lanes, "no_such"); ok || err != nil {
		t.Error(ok, err)
	}
}
