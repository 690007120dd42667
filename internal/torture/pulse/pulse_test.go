package pulse_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/tidegate/engine/internal/torture/pulse"
)

// TestNoise: while nobody runs, the pulse sees it, in the very moment in which we run again; while all goes on, it sees little of it.
func TestNoise(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := pulse.New()
	defer p.Close()
	const held = 5 * time.Millisecond // less than after which a goroutine is made to let others run
	seen := 0
	for range 20 {
		from := time.Now()
		for time.Since(from) < held { // the only processor
		}
		to := time.Now()
		if p.Noise(from, to) >= held/2 {
			seen++
		}
	}
	if seen < 10 {
		t.Errorf("of 20 times in which nobody could run, %d were seen", seen)
	}
	if p.Worst() == 0 {
		t.Error("the worst of them is none")
	}
	for limit := time.Now().Add(20 * time.Second); ; {
		from := time.Now()
		time.Sleep(20 * time.Millisecond)
		to := time.Now()
		if p.Noise(from, to) < to.Sub(from)/2 {
			break
		}
		if to.After(limit) {
			t.Fatal("with all the time there is, it saw half of it gone")
		}
	}
}
