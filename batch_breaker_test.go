package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/internal/clock"
)

// TestBatchWithAKiller: a statement that takes the writer's connection with it counts in a batch, too; then batches with it are refused
// before anything of them is run, until its probe has gone well.
func TestBatchWithAKiller(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	db, _ := brittleOn(t, fake)
	killer := "SELECT " + strings.Repeat("hex(zeroblob(?1)), ", 60) + "1"
	batch := func(n int) *engine.Batch {
		b := new(engine.Batch)
		b.Exec("UPDATE acc SET balance = balance + 1 WHERE id = 1")
		b.Query(killer, n)
		b.Query(killer, n) // the same: one probe is enough for both
		return b
	}
	killed := 0
	var err error
	for killed < 20 {
		if _, err = db.Batch(t.Context(), batch(900_000)); errors.Is(err, engine.ErrUnavailable) {
			break
		}
		if !errors.Is(err, engine.ErrOutOfMemory) {
			t.Fatalf("what should take more memory than there is: %v", err)
		}
		killed++
	}
	var where *engine.BatchError
	if wantOnly(t, err, engine.ErrUnavailable); !errors.As(err, &where) || where.Statement != 2 || killed > 3 {
		t.Errorf("it took %d connections, refused with %v", killed, err)
	}
	exec(t, db, "UPDATE acc SET balance = balance") // the writer has a connection again
	reconnects := db.Stats().Writer.File.Reconnects
	err = db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Batch(ctx, batch(900_000))
		return err
	})
	if !errors.Is(err, engine.ErrUnavailable) || db.Stats().Writer.File.Reconnects != reconnects {
		t.Errorf("inside a transaction: %v, %d connections lost", err, db.Stats().Writer.File.Reconnects-reconnects)
	}
	if n := one(t, db, "SELECT balance FROM acc WHERE id = 1"); n != 1000 {
		t.Errorf("balance %d: a part of a batch was applied", n)
	}
	fake.Advance(31 * time.Second)
	vetoed := new(engine.Batch)
	vetoed.Exec("INSERT INTO acc VALUES (1, 1)") // fails before the killer is reached: its probe is open to the next
	vetoed.Query(killer, 2)
	if _, err := db.Batch(t.Context(), vetoed); !errors.Is(err, engine.ErrConstraint) {
		t.Errorf("a batch that fails: %v", err)
	}
	if _, err := db.Batch(t.Context(), batch(2)); err != nil {
		t.Errorf("the probe: %v", err)
	}
	if b := breakerOf(t, db, "statement"); b.State != breaker.Closed {
		t.Errorf("after a good probe: %+v", b)
	}
}
