package health_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/core/health"
)

// TestVolume: what the system tells is told on; what it does not tell is not known.
func TestVolume(t *testing.T) {
	t.Parallel()
	v := health.NewVolume("/srv/desk.db", func(path string) (int64, bool) {
		if path != "/srv/desk.db" {
			t.Errorf("asked about %q", path)
		}
		return 42, true
	})
	if n, known := v.Free(t.Context()); n != 42 || !known {
		t.Errorf("%d, %v", n, known)
	}
	if _, known := health.NewVolume("x", func(string) (int64, bool) { return 0, false }).Free(t.Context()); known {
		t.Error("the system tells nothing")
	}
	if _, known := health.NewVolume("", func(string) (int64, bool) { return 1, true }).Free(t.Context()); known {
		t.Error("memory has a volume")
	}
}

// TestVolumeThatHangs: nobody waits for it longer than asked for, it is asked once however often somebody wants to know, and what it said
// before is no answer now.
func TestVolumeThatHangs(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	hang := make(chan struct{})
	v := health.NewVolume("x", func(string) (int64, bool) {
		if asked.Add(1) > 1 {
			<-hang
		}
		return asked.Load(), true
	})
	if n, known := v.Free(t.Context()); n != 1 || !known {
		t.Fatalf("%d, %v", n, known)
	}
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if n, known := v.Free(ctx); known {
			t.Errorf("it hangs, and is said to have %d", n)
		}
		cancel()
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("it was asked %d times", n)
	}
	close(hang)
	if _, known := v.Free(t.Context()); !known {
		t.Error("it answers again")
	}
}
