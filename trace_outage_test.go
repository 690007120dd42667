package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
)

// collector is a sink that takes spans, refuses them, or does not answer.
type collector struct {
	taken   atomic.Uint64
	refuses atomic.Bool
	mu      sync.Mutex
	gate    chan struct{} // closed: it answers
}

func (c *collector) ExportSpans(ctx context.Context, spans []trace.Span) error {
	c.mu.Lock()
	gate := c.gate
	c.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.refuses.Load() {
		return errors.New("the collector is down")
	}
	c.taken.Add(uint64(len(spans)))
	return nil
}

// goSilent lets it answer no more until the function is called.
func (c *collector) goSilent() (back func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gate := make(chan struct{})
	c.gate = gate
	return func() { close(gate) }
}

// outageSide is an engine with its collector, and the times of its statements.
type outageSide struct {
	name     string
	db       *engine.DB
	to       *collector
	back     func()
	p50, p95 []time.Duration // of the rounds
	called   uint64
}

func openOutageSide(t *testing.T, name string) *outageSide {
	t.Helper()
	answering := make(chan struct{})
	close(answering)
	s := &outageSide{name: name, to: &collector{gate: answering}, back: func() {}}
	s.db = ledger(t, func(c *engine.Config) {
		c.Trace.Sink, c.Trace.Records = s.to, 1<<14
		c.Writer.Durability = engine.Relaxed // what is compared is not the disk
	})
	return s
}

// round runs reads of many shapes, and now and then a transaction, all below a sampled span, and notes the times of the reads.
func (s *outageSide) round(t *testing.T, ctx context.Context, statements int) {
	t.Helper()
	took := make([]time.Duration, 0, statements)
	for i := range statements {
		began := time.Now()
		if i%200 == 0 {
			if err := s.db.Update(ctx, swap, engine.WithName("swap")); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var n int64
		if err := s.db.QueryRow(ctx, outageShapes[i%len(outageShapes)], 1).Scan(&n); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	s.called += uint64(statements)
	slices.Sort(took)
	s.p50, s.p95 = append(s.p50, took[len(took)/2]), append(s.p95, took[len(took)*95/100])
}

// swap writes and adds no row: a database that grows takes memory of its own.
func swap(ctx context.Context, tx *engine.Tx) error {
	for _, sql := range []string{"UPDATE acc SET balance = balance - 1 WHERE id = 1", "UPDATE acc SET balance = balance + 1 WHERE id = 1"} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// outageShapes are statements of twenty fingerprints.
var outageShapes = func() (shapes []string) {
	for i := range 20 {
		shapes = append(shapes, fmt.Sprintf("SELECT balance AS b%d FROM acc WHERE id = ?", i))
	}
	return shapes
}()

// sums fails unless every operation of the engine is exported, pending, or dropped for a reason that is counted.
func (s *outageSide) sums(t *testing.T) engine.TraceStats {
	t.Helper()
	st := s.db.Trace().Stats()
	if st.Wanted != st.Exported+st.Refused+st.Pending+st.Dropped.Total() || st.Wanted != st.Recorded || st.Recorded < s.called || st.Refused != 0 {
		t.Errorf("%s, after %d statements: the counts do not add up: %+v", s.name, s.called, st)
	}
	return st
}

// TestCollectorOutage: three engines do the same work in turns, below sampled spans, as fast as they can. The collector of one answers, that of the
// second does not answer at all, that of the third refuses every batch. None of them is slower for it, none keeps more memory, each span that is lost
// is counted, and when the collectors are back so are the spans. TIDEGATE_TORTURE=1 goes on for five minutes.
func TestCollectorOutage(t *testing.T) {
	healthy, silent, refusing := openOutageSide(t, "healthy"), openOutageSide(t, "silent"), openOutageSide(t, "refusing")
	sides := []*outageSide{healthy, silent, refusing}
	ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}, TraceFlags: oteltrace.FlagsSampled}))
	if err := silent.db.Trace().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := silent.to.taken.Load()
	silent.back = silent.to.goSilent()
	defer func() { silent.back() }()
	refusing.to.refuses.Store(true)
	const statements, most50, most95 = 2000, 1.3, 1.6
	turn := 0
	turns := func() {
		for i := range sides {
			sides[(i+turn)%len(sides)].round(t, ctx, statements)
		}
		turn++
	}
	for range 18 { // the rings have gone round, and the queue is full, before memory is measured
		turns()
	}
	if st := silent.sums(t); st.Exported != opened || st.Dropped.Behind == 0 {
		t.Fatalf("the outage has not begun: %+v", st)
	}
	for _, s := range sides {
		s.p50, s.p95 = nil, nil
	}
	before := liveHeap()
	least, until := 20, time.Now()
	if os.Getenv("TIDEGATE_TORTURE") == "1" {
		until = until.Add(5 * time.Minute)
	}
	slower := func() bool { // by the middle of all rounds: a neighbour of this machine passes, a fault stays
		return slices.ContainsFunc(sides[1:], func(s *outageSide) bool {
			return ratios(s.p50, healthy.p50) > most50 || ratios(s.p95, healthy.p95) > most95
		})
	}
	for began, at := turn, time.Now(); turn < began+least || time.Now().Before(until) || slower() && time.Since(at) < 30*time.Second; {
		turns()
	}
	grown := int64(liveHeap()) - int64(before)
	if grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes during the outage", grown)
	}
	for _, s := range sides[1:] {
		p50, p95 := ratios(s.p50, healthy.p50), ratios(s.p95, healthy.p95)
		t.Logf("%s: p50 %.2f and p95 %.2f of the healthy one's (%v, %v), %+v", s.name, p50, p95, middle(healthy.p50), middle(healthy.p95), s.sums(t).Dropped)
		if p50 > most50 || p95 > most95 {
			t.Errorf("%s: a statement takes %.2f (p50) and %.2f (p95) of what it takes with a healthy collector", s.name, p50, p95)
		}
	}
	t.Logf("%d statements on each of three engines, heap %+d bytes", silent.called, grown)
	silent.back()
	silent.back = func() {}
	refusing.to.refuses.Store(false)
	for _, s := range sides {
		s.recovers(t, ctx)
	}
}

// recovers shows that spans come again, and that all are accounted for.
func (s *outageSide) recovers(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := s.db.Trace().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	had := s.to.taken.Load()
	s.round(t, ctx, 400)
	if err := s.db.Trace().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := s.sums(t)
	if came := s.to.taken.Load() - had; came < 400 {
		t.Errorf("%s: %d spans of 400 statements after the outage", s.name, came)
	}
	if st.Pending != 0 || st.Exported != s.to.taken.Load() || s.name == "refusing" && st.Dropped.Failed == 0 {
		t.Errorf("%s: the collector has %d spans: %+v", s.name, s.to.taken.Load(), st)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// ratios is the middle one of the ratios of the rounds: what slowed the machine slowed both sides of a round.
func ratios(a, b []time.Duration) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = float64(a[i]) / float64(b[i])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func middle(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}
