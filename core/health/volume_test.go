package health_test

import (
	"context"
	"runtime"
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
	if n := answered(t, v); n != 42 {
		t.Errorf("%d", n)
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
	var hangs atomic.Bool
	hang := make(chan struct{})
	v := health.NewVolume("x", func(string) (int64, bool) {
		n := asked.Add(1)
		if hangs.Load() {
			<-hang
		}
		return n, true
	})
	if n := answered(t, v); n != asked.Load() {
		t.Fatal(n)
	}
	before := asked.Load()
	hangs.Store(true)
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if n, known := v.Free(ctx); known {
			t.Errorf("it hangs, and is said to have %d", n)
		}
		cancel()
	}
	for deadline := time.Now().Add(20 * time.Second); asked.Load() == before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if n := asked.Load() - before; n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	close(hang)
	answered(t, v) // again
}

// answered is what the system says. A machine that stops us for longer than an answer may take is no file system that hangs.
func answered(t *testing.T, v *health.Volume) int64 {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if n, known := v.Free(t.Context()); known {
			return n
		}
	}
	t.Fatal("no answer")
	return 0
}

// TestVolumeAnswersAtTheEnd: an answer that is there when its caller comes to look counts, though the time for it is over as well. On one processor the
// caller comes to look when the answer has been given.
func TestVolumeAnswersAtTheEnd(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const tries = 100
	got := 0
	for range tries {
		ctx, cancel := context.WithCancel(t.Context())
		v := health.NewVolume("x", func(string) (int64, bool) {
			cancel()
			return 42, true
		})
		if n, known := v.Free(ctx); n == 42 && known {
			got++
		}
		cancel()
	}
	if got < tries*9/10 {
		t.Errorf("%d of %d answers counted", got, tries)
	}
}
