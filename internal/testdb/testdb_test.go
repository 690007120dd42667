package testdb_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/testdb"
)

func TestClock(t *testing.T) {
	t.Parallel()
	if c := testdb.Clock(t.Context()); c != nil {
		t.Errorf("a clock from nowhere: %v", c)
	}
	fake := clock.NewFake(time.Unix(0, 0))
	if c := testdb.Clock(testdb.WithClock(t.Context(), fake)); c != fake {
		t.Errorf("got %v", c)
	}
	if c := testdb.Clock(testdb.WithClock(t.Context(), nil)); c != nil {
		t.Errorf("nil became %v", c)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	if f := testdb.Faults(t.Context()); f != nil {
		t.Errorf("faults from nowhere: %v", f)
	}
	plan := &faultfs.Plan{}
	if f := testdb.Faults(testdb.WithFaults(t.Context(), plan)); f != plan {
		t.Errorf("got %v", f)
	}
}
