package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// TestBusyLinksToHolder: a transaction that waited for the writer leads to the span that held it, and one that kept it too long says so.
func TestBusyLinksToHolder(t *testing.T) {
	t.Parallel()
	db, r := traced(t)
	ctx, outer := r.Tracer("test").Start(t.Context(), "caller")
	waiter := make(chan error, 1)
	err := db.Update(ctx, func(context.Context, *engine.Tx) error {
		go func() {
			waiter <- db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error { return move(ctx, tx, 1, 2, 1) }, engine.WithName("waiter"))
		}()
		eventually(t, "the waiter is in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
		until := time.Now().Add(3 * time.Millisecond)
		eventually(t, "it has waited", func() bool { return time.Now().After(until) })
		return nil
	}, engine.WithName("holder"), engine.HoldFor(10*time.Second))
	if err := <-waiter; err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	outer.End()
	spans := r.taken(t)
	holder, waited := named(t, spans, "TRANSACTION holder"), named(t, spans, "TRANSACTION waiter")
	if len(waited.links) == 0 || waited.links[0].SpanID() != holder.self.SpanID() {
		t.Errorf("links %v, want first the holder %v", waited.links, holder.self.SpanID())
	}
	waits := 0
	for o := range db.Trace().Last(0) {
		if o.Name != "TRANSACTION waiter" {
			continue
		}
		if waits++; o.Queue < 3*time.Millisecond {
			t.Errorf("its wait is recorded as %v", o.Queue)
		}
	}
	if waits != 1 {
		t.Errorf("%d waiters are recorded, want 1", waits)
	}
	if !strings.Contains(waited.text, "engine.busy") || strings.Contains(holder.text, "engine.busy") || waited.attributes["engine.queue.wait_us"] == "" {
		t.Errorf("waiter: %s", waited.text)
	}
}
