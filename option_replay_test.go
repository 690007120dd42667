package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// stuck is for a database with the SQL function stuck, which does not return before release, where a statement may run for 100 ms.
func stuck() (change func(*engine.Config), release func()) {
	held := make(chan struct{})
	return func(c *engine.Config) {
		c.Writer.GroupTime, c.Writer.StatementTime = 10*time.Second, 100*time.Millisecond
		c.Extend.Functions = []engine.Function{{Name: "stuck", Scalar: func([]engine.Value) (any, error) {
			<-held
			return int64(1), nil
		}}}
	}, func() { close(held) }
}

// TestReplayable ends a group through the fault of one member: the others have done nothing wrong.
func TestReplayable(t *testing.T) {
	t.Parallel()
	change, release := stuck()
	db := ledger(t, change)
	defer release()
	before := db.Stats().Writer
	runs := map[string]int{}
	results := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := func(name string, opts ...engine.Option) {
		wg.Go(func() {
			committed := 0
			err := db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
				mu.Lock()
				runs[name]++
				mu.Unlock()
				tx.OnCommit(func() { committed++ })
				return move(ctx, tx, 1, 2, 1)
			}, append(opts, engine.WithName(name))...)
			mu.Lock()
			results[name] = err
			mu.Unlock()
			if want := map[bool]int{true: 1, false: 0}[err == nil]; committed != want {
				t.Errorf("%s: OnCommit was called %d times, Update returned %v", name, committed, err)
			}
		})
	}
	var blamed, single error
	alone := func(to *error, sql string, opts ...any) {
		wg.Go(func() {
			_, err := db.Exec(t.Context(), sql, opts...)
			mu.Lock()
			*to = err
			mu.Unlock()
		})
	}
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error { // all of them queue up behind this one
		start("replayable", engine.Replayable())
		start("once")
		alone(&single, "INSERT INTO entry (acc, amount) VALUES (1, 77)")
		eventually(t, "three callers in the queue", func() bool { return db.Stats().Writer.Waiting == 3 })
		alone(&blamed, "UPDATE acc SET balance = balance + stuck() WHERE id = 1", engine.WithName("culprit"))
		eventually(t, "the culprit in the queue", func() bool { return db.Stats().Writer.Waiting == 4 })
		return errMine
	})
	if err != errMine {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the group of a stuck statement", wg.Wait)
	wantOnly(t, blamed, engine.ErrLeaseExpired)
	wantText(t, blamed, `"culprit"`)
	if single != nil {
		t.Errorf("a single statement is run again by the engine, but: %v", single)
	}
	if results["replayable"] != nil || runs["replayable"] != 2 {
		t.Errorf("replayable: %d runs, %v", runs["replayable"], results["replayable"])
	}
	if runs["once"] != 1 {
		t.Errorf("a closure that must not be repeated ran %d times", runs["once"])
	}
	wantOnly(t, results["once"], engine.ErrNotApplied)
	wantText(t, results["once"], `"once"`, "Replayable")
	var na *engine.NotAppliedError
	if !errors.As(results["once"], &na) || !engine.Retryable(results["once"]) {
		t.Errorf("%+v", na)
	}
	if n := one(t, db, "SELECT count(*) FROM entry"); n != 3 {
		t.Errorf("%d entries, want those of the replayable transaction and the statement", n)
	}
	if st := db.Stats(); st.Writer.Replayed-before.Replayed != 2 || st.Writer.Limits.Fenced != 1 || st.Leaked != 1 {
		t.Errorf("%+v, %d leaked", st.Writer, st.Leaked)
	}
	if h := db.Health(t.Context()); h.OK {
		t.Error("a connection was left behind and the health is good")
	}
}
