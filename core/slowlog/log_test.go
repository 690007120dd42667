package slowlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/sidecar"
)

func start() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// watch is a log under test.
type watch struct {
	*slowlog.Log
	shelf *slowlog.Shelf
	clock *clock.Fake

	mu      sync.Mutex
	planned []slowlog.Given
}

func newWatch(t testing.TB, file *sidecar.File, policy slowlog.Policy) *watch {
	t.Helper()
	w := &watch{shelf: slowlog.NewShelf(file), clock: clock.NewFake(start())}
	w.Log = slowlog.New(slowlog.Config{Signal: 50 * time.Millisecond, Analytics: 2 * time.Second, Other: 100 * time.Millisecond, Policy: policy, Now: w.clock.Now, Keep: w.shelf.Keep,
		Explain: func(_ context.Context, g slowlog.Given) ([]slowlog.PlanStep, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.planned = append(w.planned, g)
			if strings.Contains(g.SQL, "gone") {
				return nil, errors.New("no such table: gone 'a secret'")
			}
			return []slowlog.PlanStep{{ID: 2, Detail: "SCAN t"}}, nil
		}})
	t.Cleanup(w.Close)
	return w
}

func (w *watch) entries(t testing.TB, f slowlog.Filter) []slowlog.Entry {
	t.Helper()
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := w.shelf.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func seen(fingerprint uint64, class string, took time.Duration) *slowlog.Observation {
	return &slowlog.Observation{Query: slowlog.Query{Fingerprint: fingerprint, Text: "SELECT v FROM t WHERE id = ?", Summary: "SELECT t"}, Lane: "reader", Class: class,
		Given: slowlog.Given{SQL: "SELECT v FROM t WHERE id = ?", Args: []any{int64(7)}}, Run: slowlog.Run{Start: start(), Duration: took, RowsReturned: 1, VMSteps: 20}}
}

// Each way into the log, at its edge.
func TestReasons(t *testing.T) {
	t.Parallel()
	run := func(change func(*slowlog.Run)) func(*slowlog.Observation) {
		return func(o *slowlog.Observation) { change(&o.Run) }
	}
	for name, c := range map[string]struct {
		class  string
		took   time.Duration
		change func(*slowlog.Observation)
		want   string
	}{
		"signal at its limit":     {"signal", 50 * time.Millisecond, nil, ""},
		"signal over it":          {"signal", 50*time.Millisecond + 1, nil, "threshold"},
		"normal at its limit":     {"normal", 100 * time.Millisecond, nil, ""},
		"trade over it":           {"trade", 101 * time.Millisecond, nil, "threshold"},
		"analytics under it":      {"analytics", 1999 * time.Millisecond, nil, ""},
		"analytics over it":       {"analytics", 2001 * time.Millisecond, nil, "threshold"},
		"many rows for few":       {"normal", 1, run(func(r *slowlog.Run) { r.FullScanSteps, r.RowsReturned = 10_100, 101 }), "scan"},
		"many rows for many":      {"normal", 1, run(func(r *slowlog.Run) { r.FullScanSteps, r.RowsReturned = 10_100, 102 }), ""},
		"many rows for changes":   {"normal", 1, run(func(r *slowlog.Run) { r.FullScanSteps, r.RowsChanged = 10_100, 500 }), ""},
		"few rows for one":        {"normal", 1, run(func(r *slowlog.Run) { r.FullScanSteps = 10_000 }), ""},
		"an index for one run":    {"normal", 1, run(func(r *slowlog.Run) { r.AutoIndexes = 1 }), "autoindex"},
		"a large sort":            {"normal", 1, run(func(r *slowlog.Run) { r.Sorts, r.VMSteps = 1, 100_001 }), "sort"},
		"a small sort":            {"normal", 1, run(func(r *slowlog.Run) { r.Sorts, r.VMSteps = 1, 100_000 }), ""},
		"compiled anew, a lot":    {"normal", 1, run(func(r *slowlog.Run) { r.Reprepares = 11 }), "reprepare"},
		"compiled anew, a little": {"normal", 1, run(func(r *slowlog.Run) { r.Reprepares = 10 }), ""},
		"slow and inefficient":    {"signal", time.Second, run(func(r *slowlog.Run) { r.AutoIndexes = 1 }), "threshold autoindex"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, nil, slowlog.Shape)
			o := seen(1, c.class, c.took)
			if c.change != nil {
				c.change(o)
			}
			w.Observe(t.Context(), o)
			got := ""
			for _, e := range w.entries(t, slowlog.Filter{}) {
				got += strings.Join(e.Reasons, " ")
			}
			if got != c.want {
				t.Errorf("logged for %q, want %q", got, c.want)
			}
		})
	}
}

// A statement is unusual when it is over the p99 and twice the median of its own kind, once there is something to compare with.
func TestUnusual(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	slow := seen(1, "normal", 30*time.Millisecond)
	w.Observe(t.Context(), slow)
	for range 500 {
		w.Observe(t.Context(), seen(1, "normal", 4*time.Millisecond))
		w.Observe(t.Context(), seen(2, "normal", 20*time.Microsecond))
	}
	if got := w.entries(t, slowlog.Filter{}); len(got) != 0 {
		t.Fatalf("logged before anything was learned: %+v", got)
	}
	w.Refresh()
	w.Observe(t.Context(), seen(1, "normal", 7*time.Millisecond))   // over p99, under twice the median
	w.Observe(t.Context(), seen(2, "normal", 900*time.Microsecond)) // the machine's noise
	w.Observe(t.Context(), slow)
	got := w.entries(t, slowlog.Filter{})
	if len(got) != 1 || got[0].Duration != 30*time.Millisecond || !slices.Equal(got[0].Reasons, []string{"unusual"}) {
		t.Errorf("%+v", got)
	}
}

// An entry has its plan, asked for with the bindings that ran; a plan that fails says so without the error, which may quote a literal.
func TestEntry(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{0xab}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.FlagsSampled}))
	o := seen(0xbeef, "signal", time.Second)
	o.Lane, o.Given.Name, o.Run.QueueWait = "writer", "rebalance", 600*time.Millisecond
	w.Held("end of day", start().Add(-time.Second), start().Add(500*time.Millisecond))
	w.Held("import", start().Add(500*time.Millisecond), start().Add(time.Second))
	w.Held("long ago", start().Add(-time.Hour), start().Add(-time.Minute))
	w.Observe(ctx, o)
	o.Given.SQL = "SELECT 'a secret' FROM gone"
	w.Observe(t.Context(), o)
	got := w.entries(t, slowlog.Filter{Fingerprint: "beef"})
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	e := got[1]
	if e.Trace != "ab000000000000000000000000000000" || e.Caller != "rebalance" || e.Holder != "end of day" || len(e.Plan) != 1 || e.Plan[0].Detail != "SCAN t" || e.Queue != 600*time.Millisecond ||
		!slices.Equal(e.Bindings, []string{"INTEGER"}) || e.Work.VMSteps != 20 {
		t.Errorf("%+v", e)
	}
	if w.planned[0].Args[0] != int64(7) {
		t.Errorf("the plan was asked for with %v", w.planned[0].Args)
	}
	if got[0].PlanError == "" || strings.Contains(fmt.Sprint(got[0]), "secret") {
		t.Errorf("%+v", got[0])
	}
}

// A statement that is slow all the time fills neither the log nor the queue: five at once, then one in ten seconds, and two drawn by lot in a
// minute, which say for how many they stand.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	for range 100 {
		w.Observe(t.Context(), seen(1, "normal", time.Second))
	}
	w.Observe(t.Context(), seen(2, "normal", time.Second)) // another kind has tokens of its own
	if got := w.entries(t, slowlog.Filter{Fingerprint: "1"}); len(got) != 5 {
		t.Fatalf("%d entries, want 5", len(got))
	}
	if got := w.entries(t, slowlog.Filter{Fingerprint: "2"}); len(got) != 1 {
		t.Fatalf("%d entries of the other kind, want 1", len(got))
	}
	w.Refresh()
	got := w.entries(t, slowlog.Filter{Fingerprint: "1"})
	if len(got) != 7 || got[0].Skipped+got[1].Skipped != 93 {
		t.Fatalf("%d entries, %d left out: want 7 and 93", len(got), got[0].Skipped+got[1].Skipped)
	}
	w.clock.Advance(20 * time.Second)
	for range 10 {
		w.Observe(t.Context(), seen(1, "normal", time.Second))
	}
	if got := w.entries(t, slowlog.Filter{Fingerprint: "1"}); len(got) != 9 {
		t.Errorf("%d entries after twenty seconds, want 9", len(got))
	}
	if c := w.Counts(); c.Reasons["threshold"] != 111 || c.Dropped != 0 {
		t.Errorf("%+v", c)
	}
}

// The number of kinds is bounded; the ones that go are old, and are counted.
func TestEviction(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	for i := range slowlog.MaxKinds + 500 {
		o := seen(uint64(i+1), "normal", 1)
		o.Run.Start = start().Add(time.Duration(i) * time.Second)
		w.Observe(t.Context(), o)
	}
	kinds := w.Kinds(1 << 20)
	if len(kinds) != slowlog.MaxKinds || w.Counts().Evicted != 500 {
		t.Errorf("%d kinds, %d evicted", len(kinds), w.Counts().Evicted)
	}
	if first, second := len(w.Forgotten()), len(w.Forgotten()); first != 500 || second != 0 {
		t.Errorf("%d are said to be forgotten, and %d when asked again", first, second)
	}
	recent := 0
	for _, k := range kinds {
		if k.Last.After(start().Add(slowlog.MaxKinds * time.Second)) {
			recent++
		}
	}
	if recent < 450 {
		t.Errorf("%d of the latest 500 are left", recent)
	}
}

// A kind that was forgotten is unknown everywhere: what is counted of it from now on is seen again.
func TestForgottenKind(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	run := func(i int) *slowlog.Observation {
		o := seen(uint64(i+1), "normal", 1)
		o.Run.Start = start().Add(-time.Duration(i) * time.Second) // the latest to come are the first to go
		return o
	}
	const kinds = slowlog.MaxKinds + 500
	for i := range kinds {
		o := run(i)
		w.Observe(t.Context(), o)
		if !w.Usual(o.Query.Fingerprint, o.Class, &o.Run) {
			t.Fatalf("%d is not known", i)
		}
	}
	known := map[string]bool{}
	for _, k := range w.Kinds(1 << 20) {
		known[k.Fingerprint] = true
	}
	for i := kinds - 1; i >= 0; i-- { // the latest first, while they are held where the latest are
		o := run(i)
		if name := strconv.FormatUint(o.Query.Fingerprint, 16); w.Usual(o.Query.Fingerprint, o.Class, &o.Run) != known[name] {
			t.Fatalf("fingerprint %s: listed %v, and it is not so", name, known[name])
		}
	}
	if o := run(0); len(known) != slowlog.MaxKinds || w.Usual(o.Query.Fingerprint, "signal", &slowlog.Run{Start: start(), Duration: time.Second}) {
		t.Errorf("%d kinds; or a slow statement is usual", len(known))
	}
}

// Bindings are kept in memory, eight sets of a kind, and none of them is the caller's own slice.
func TestBindings(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.None)
	args := []any{int64(0), []byte("blob")}
	for i := range 20 {
		o := seen(1, "normal", time.Second)
		args[0] = int64(i)
		o.Given.Args = args
		w.Observe(t.Context(), o)
	}
	args[0] = "changed"
	sets := w.Bindings("1")
	if len(sets) != 8 {
		t.Fatalf("%d sets", len(sets))
	}
	sum := int64(0)
	for _, g := range sets {
		sum += g.Args[0].(int64)
		if b := g.Args[1].([]byte); len(b) != 4 || b[0] != 0 {
			t.Errorf("blob %q", b)
		}
	}
	if sum < 8*12 {
		t.Errorf("the sets are not the latest: %v", sets)
	}
	for _, e := range w.entries(t, slowlog.Filter{}) {
		if e.Bindings != nil {
			t.Errorf("policy none has %v", e.Bindings)
		}
	}
}

// The busiest fingerprints are listed with all that was counted, and those that did not fit come the next time.
func TestBusiest(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	for i := range 5 {
		w.Observe(t.Context(), seen(uint64(i+1), "normal", time.Duration(i+1)*time.Millisecond))
	}
	first, second, third := w.Busiest(3), w.Busiest(3), w.Busiest(3)
	if len(first) != 3 || first[0].Fingerprint != "5" || len(second) != 2 || second[0].Fingerprint != "2" || len(third) != 0 {
		t.Errorf("%+v\n%+v\n%+v", first, second, third)
	}
}

// What is kept in a file comes back as it was, and the number of entries is bounded.
func TestShelf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	file, err := sidecar.Open(t.Context(), path, 64<<20, slowlog.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inFile, inMemory := newWatch(t, file, slowlog.Shape), newWatch(t, nil, slowlog.Shape)
	for _, w := range []*watch{inFile, inMemory} {
		for i := range 3 {
			w.Observe(t.Context(), seen(uint64(i%2+1), "signal", time.Second+time.Duration(i)))
		}
	}
	for _, f := range []slowlog.Filter{{}, {Fingerprint: "1"}, {ID: 2}, {Limit: 1}, {Since: start().Add(time.Second)}} {
		a, errA := json.Marshal(inFile.entries(t, f))
		b, errB := json.Marshal(inMemory.entries(t, f))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%+v:\n%s\n%s", f, a, b)
		}
	}
	if n := len(inFile.entries(t, slowlog.Filter{})); n != 3 {
		t.Errorf("%d entries", n)
	}
	for i := range 1200 {
		if err := inMemory.shelf.Keep(t.Context(), slowlog.Entry{Fingerprint: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(inMemory.entries(t, slowlog.Filter{Limit: 1 << 20})); n != 500 {
		t.Errorf("%d entries in memory, want the last 500", n)
	}
}

// A fast statement of a known kind allocates nothing.
func TestObserveAllocates(t *testing.T) {
	w := newWatch(t, nil, slowlog.Shape)
	o := seen(1, "normal", 3*time.Microsecond)
	ctx := t.Context()
	w.Observe(ctx, o)
	if n := testing.AllocsPerRun(100, func() { w.Observe(ctx, o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	w := newWatch(b, nil, slowlog.Shape)
	o := seen(1, "normal", 3*time.Microsecond)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		w.Observe(ctx, o)
	}
}
