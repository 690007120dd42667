package bench

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/bench/suite"
)

// taker is a sink that takes everything.
type taker struct{}

func (taker) ExportSpans(context.Context, []trace.Span) error { return nil }

// cpu is the processor time of the whole process, background included.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestTraceCost is what a traced point read costs the whole process, in one run and in turns: tracing off, below a parent that is not sampled,
// and with every span given to a sink.
func TestTraceCost(t *testing.T) {
	type side struct {
		name string
		db   *engine.DB
		ctx  context.Context
		best time.Duration
	}
	open := func(name string, records int, sampled bool) *side {
		cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "trace.db"))
		cfg.Trace.Records, cfg.Trace.Sink = records, taker{}
		db, err := engine.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		for _, q := range suite.Schema() {
			if _, err := db.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		return &side{name, db, oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.TraceFlags(0).WithSampled(sampled)})), time.Hour}
	}
	sides := []*side{open("off", 0, false), open("unsampled parent", 1<<16, false), open("all to a sink", 1<<16, true)}
	const calls = 5000
	var qty, px int64
	for round := range 40 {
		for i := range sides {
			s := sides[(round+i)%len(sides)]
			began := cpu(t)
			for i := range calls {
				if err := s.db.QueryRow(s.ctx, pointSQL, i%rowCount+1).Scan(&qty, &px); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.db.Trace().Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.best = min(s.best, (cpu(t)-began)/calls)
		}
	}
	off := sides[0].best
	for _, s := range sides {
		t.Logf("%-18s %6v a statement, %.2f of off", s.name, s.best, float64(s.best)/float64(off))
	}
	// The goal is 1.15. Runs on a busy machine gave 1.14 to 1.17, so the test's own bar is where something must have got worse.
	if ratio := float64(sides[1].best) / float64(off); ratio > 1.25 {
		t.Errorf("below an unsampled parent a statement costs %.2f of what it costs with tracing off, the bar is 1.25", ratio)
	}
	if extra := sides[2].best - off; extra > 6*time.Microsecond {
		t.Errorf("an exported statement costs %v more, the bar is 6 µs", extra)
	}
}
