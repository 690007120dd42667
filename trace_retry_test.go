package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/faultfs"
)

// tries keeps what spans say about further runs.
type tries struct {
	mu   sync.Mutex
	said []string
}

func (k *tries) ExportSpans(_ context.Context, spans []trace.Span) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range spans {
		s := &spans[i]
		for _, e := range s.Events {
			for _, a := range e.Attributes {
				k.said = append(k.said, s.Name+" "+e.Name+" "+string(a.Key)+"="+a.Value.String())
			}
		}
		for _, a := range s.Attributes {
			if strings.HasSuffix(string(a.Key), "retries") {
				k.said = append(k.said, s.Name+" "+string(a.Key)+"="+a.Value.String())
			}
		}
	}
	return nil
}

// TestSpansOfFurtherRuns: a read whose file fails once says in its span that it ran again, and a View that is run again says so in an event, with the
// type of the error that was the reason.
func TestSpansOfFurtherRuns(t *testing.T) {
	t.Parallel()
	const sum = "SELECT sum(balance) FROM acc"
	ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{2}, TraceFlags: oteltrace.FlagsSampled}))
	for _, c := range []struct {
		name string
		run  func(db *engine.DB, n *int) error
		want []string
	}{
		{"QueryRow", func(db *engine.DB, n *int) error { return db.QueryRow(ctx, sum).Scan(n) }, []string{"SELECT acc engine.retries=1"}},
		{"View", func(db *engine.DB, n *int) error {
			return db.View(ctx, func(ctx context.Context, tx *engine.Tx) error { return tx.QueryRow(ctx, sum).Scan(n) }, engine.WithName("again"), engine.Replayable())
		}, []string{"TRANSACTION again engine.retry engine.retries=1", "TRANSACTION again engine.retry error.type=io"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := &tries{}
			db, p := cold(t, func(cfg *engine.Config) { cfg.Trace.Sink = k })
			fault, n := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: syscall.EIO}), 0
			if err := c.run(db, &n); err != nil || n != 2000 || fault.Hits() != 1 {
				t.Fatalf("%d faults, sum %d, %v", fault.Hits(), n, err)
			}
			if err := db.Trace().Flush(ctx); err != nil {
				t.Fatal(err)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			for _, w := range c.want {
				if !slices.Contains(k.said, w) {
					t.Errorf("no %q among %q", w, k.said)
				}
			}
		})
	}
}
