package testdb_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/internal/clock"
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
