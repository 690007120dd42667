package lane_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
)

// TestShutdownTurnsWaitersAway: who waits for a connection when the lanes are closed is told so, and nobody is let in behind the back of Shutdown.
func TestShutdownTurnsWaitersAway(t *testing.T) {
	t.Parallel()
	r := build(t, func(s *setup) { s.cfg.Readers.Conns = 1 })
	held, err := r.Read(t.Context(), lane.ReadOptions{Snapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		rd, err := r.Read(context.Background(), lane.ReadOptions{})
		if err == nil {
			rd.Close()
		}
		waited <- err
	}()
	eventually(t, "a caller to wait for a connection", func() bool { return r.Stats().Readers.Starved == 1 })
	down := make(chan error, 1)
	go func() { down <- r.Shutdown(context.Background()) }()
	select {
	case err := <-waited:
		if !errors.Is(err, lane.ErrClosed) {
			t.Errorf("told %v, want that it is closed", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the waiter was not told")
	}
	held.Close()
	if err := <-down; err != nil {
		t.Error(err)
	}
	if st := r.Stats().Readers; st.Open != 0 {
		t.Errorf("%+v", st)
	}
}
