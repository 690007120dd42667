package desk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/signal"
)

// TestPatience: while somebody holds the writer the desk is turned away, again and again, and goes on once it can. A caller who does not
// want to wait any more need not.
func TestPatience(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *engine.Config) { c.Writer.QueueTimeout, c.Writer.QueueTarget = 20*time.Millisecond, 0 })
	db := b.DB()
	held, release := make(chan struct{}), make(chan struct{})
	over := make(chan error, 1)
	go func() {
		over <- db.Update(context.Background(), func(context.Context, *engine.Tx) error {
			close(held)
			<-release
			return nil
		}, engine.HoldFor(time.Minute))
	}()
	<-held
	before := db.Stats().Writer.Refused
	refused := func(n uint64) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); db.Stats().Writer.Refused-before < n; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("turned away %d times, want %d", db.Stats().Writer.Refused-before, n)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	write := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := b.Signal(ctx, 1, 1, signal.Signal{Side: 1, Strength: 0.5, RefPx: 100}, 1)
			done <- err
		}()
		return done
	}
	impatient := write(ctx)
	refused(3)
	cancel()
	if err := <-impatient; !errors.Is(err, engine.ErrOverloaded) && !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has gone away got %v", err)
	}
	before = db.Stats().Writer.Refused
	patient := write(t.Context())
	refused(8)
	close(release)
	if err := <-patient; err != nil {
		t.Errorf("turned away %d times and then %v", db.Stats().Writer.Refused-before, err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}
