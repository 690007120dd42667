package wasm_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/sdk/abi"
)

// TestCollectorRunsBesideAGuest measures how long the garbage collector stops the world while one, two and four guests spin, each with all the fuel and time that
// there is. Goroutines that spin in Go, which the collector can interrupt anywhere, are measured in turns with them: what other programs of the machine
// take away, they take from both.
func TestCollectorRunsBesideAGuest(t *testing.T) {
	const bar = 10 * time.Millisecond
	length := 300 * time.Millisecond
	long := os.Getenv("TIDEGATE_TORTURE") != ""
	if long {
		length = 3 * time.Second
	}
	var units []*wasm.Unit
	for _, text := range []string{hostileGuests()["infinite loop"].text, chaser()} {
		units = append(units, mustLoad(t, host(t, wasm.Options{}), assemble(t, text), func(m *plugins.Manifest) {
			m.Limits = plugins.Limits{Fuel: plugins.MaxFuel, Instances: 4, MemoryPages: 256, Deadline: plugins.Duration(plugins.MaxDeadline)}
		}))
	}
	for i, guests := range []int{1, 2, 4, 2} {
		u := units[i/3]
		var in, native pauses
		// Once more where a machine that has no time for us has spoilt a measurement: what is really wrong spoils them all.
		for began := time.Now(); ; {
			in, native = pauses{}, pauses{}
			for range 3 {
				native.during(func() { spin(guests, length/3) })
				in.during(func() { spinInside(t, u, guests, length/3) })
			}
			if in.count() >= 4 && in.quantile(0.5) <= max(bar, native.quantile(0.99)) || long || time.Since(began) > 20*time.Second {
				break
			}
		}
		t.Logf("%d guests that %s: %v; in Go: %v", guests, [...]string{"spin", "wait for memory"}[i/3], &in, &native)
		if in.count() < 4 {
			t.Errorf("%d guests: the world was stopped %d times", guests, in.count())
		}
		if got, other := in.quantile(0.5), native.quantile(0.99); got > max(bar, other) {
			t.Errorf("%d guests: half of the pauses are longer than %v; beside goroutines in Go, one of a hundred is longer than %v", guests, got, other)
		}
		if got, other := in.quantile(0.99), native.quantile(0.99); long && got > max(bar, 2*other) {
			t.Errorf("%d guests: one pause of a hundred is longer than %v; beside goroutines in Go it is %v", guests, got, other)
		}
	}
}

// chaser is a guest that waits for memory at each step: it goes through sixteen megabytes, from line to line where each says that the next one is.
func chaser() string {
	return "memory 256\n" + guest("func $v (i32 i32) -> (i64) (i32 i32) tg_validate\nlocal.get 0\ni32.load 8\ni32.const 1\ni32.le_u\nif\ni64.const 0\nreturn\nend\n"+
		"loop\nlocal.get 2\ni32.const 5\ni32.mul\ni32.const 79012288\ni32.add\ni32.const 16777152\ni32.and\nlocal.set 3\nlocal.get 2\nlocal.get 3\ni32.store\nlocal.get 3\nlocal.tee 2\nbr_if 0\nend\n"+
		"loop\nlocal.get 2\ni32.load\nlocal.set 2\nbr 0\nend\nunreachable\nend\n")
}

// TestNextSlice: slices that take long become shorter, and come back.
func TestNextSlice(t *testing.T) {
	t.Parallel()
	s := int64(wasm.Slice)
	for range 20 {
		if next := wasm.NextSlice(s, wasm.SliceTime+1); next >= s && s > wasm.LeastSlice {
			t.Fatalf("%d follows %d", next, s)
		} else {
			s = next
		}
	}
	if s != wasm.LeastSlice {
		t.Errorf("long slices end at %d", s)
	}
	if next := wasm.NextSlice(s, wasm.SliceTime*3/4); next != s {
		t.Errorf("a good length becomes %d", next)
	}
	for range 20 {
		s = wasm.NextSlice(s, wasm.SliceTime/100)
	}
	if s != wasm.Slice {
		t.Errorf("short slices end at %d", s)
	}
}

// TestSlicesChangeNoCount: however the fuel is cut, which depends on how long the machine takes, a guest is stopped at the same place.
func TestSlicesChangeNoCount(t *testing.T) {
	const fuel = 5_000_000
	u := mustLoad(t, host(t, wasm.Options{}), assemble(t, chaser()), func(m *plugins.Manifest) {
		m.Limits = plugins.Limits{Fuel: fuel, FuelPerRow: 1, MemoryPages: 256, Deadline: plugins.Duration(plugins.MaxDeadline)}
	})
	var b abi.Batch
	var burnt []int64
	for range 3 {
		out, err := call(u, orders(&b, 2))
		if kindOf(t, err) != plugins.FaultFuel {
			t.Fatal(err)
		}
		burnt = append(burnt, out.Fuel)
	}
	if burnt[0] != burnt[1] || burnt[0] != burnt[2] || burnt[0] < fuel || burnt[0] > fuel+1000 {
		t.Errorf("burnt %d", burnt)
	}
}

// spin keeps so many goroutines busy in Go.
func spin(n int, length time.Duration) {
	var stop atomic.Bool
	defer time.AfterFunc(length, func() { stop.Store(true) }).Stop()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for !stop.Load() {
			}
		})
	}
	all.Wait()
}

// spinInside keeps so many guests busy, until each has been stopped at its deadline.
func spinInside(t *testing.T, u *wasm.Unit, n int, length time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			var b abi.Batch
			if _, err := u.Call(ctx, plugins.HookValidate, orders(&b, 2), at()); ctx.Err() == nil {
				t.Errorf("a guest that spins came back: %v", err)
			}
		})
	}
	all.Wait()
}

// pauses is how long the world was stopped, the wait for it included.
type pauses struct {
	counts  []uint64
	buckets []float64
}

// readPauses is the histogram of all stops of the world so far.
func readPauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(s)
	all := s[0].Value.Float64Histogram()
	for i, n := range s[1].Value.Float64Histogram().Counts {
		all.Counts[i] += n
	}
	return all
}

// during collects garbage while work runs, and asks for other stops now and then: between two of them a guest has the time to get going.
func (p *pauses) during(work func()) {
	before := readPauses()
	done := make(chan struct{})
	go func() { work(); close(done) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var m runtime.MemStats
	for turn := 1; ; turn++ {
		select {
		case <-done:
			p.add(before)
			return
		case <-tick.C:
			if turn%8 == 0 {
				runtime.GC()
			} else {
				runtime.ReadMemStats(&m)
			}
		}
	}
}

func (p *pauses) add(before *metrics.Float64Histogram) {
	after := readPauses()
	if p.counts == nil {
		p.counts, p.buckets = make([]uint64, len(after.Counts)), after.Buckets
	}
	for i := range p.counts {
		p.counts[i] += after.Counts[i] - before.Counts[i]
	}
}

func (p *pauses) count() (n uint64) {
	for _, c := range p.counts {
		n += c
	}
	return n
}

// quantile is the upper end of the bucket that a part of the pauses is not above.
func (p *pauses) quantile(q float64) time.Duration {
	left := uint64(math.Ceil(q * float64(p.count())))
	for i, c := range p.counts {
		if left > 0 && c >= left {
			return time.Duration(p.buckets[i+1] * float64(time.Second))
		}
		left -= c
	}
	return 0
}

func (p *pauses) String() string {
	return fmt.Sprintf("%d pauses of at most %v at the median, %v for 75 %%, %v for 90 %%, %v for 99 %%, %v for all", p.count(), p.quantile(0.5), p.quantile(0.75), p.quantile(0.9), p.quantile(0.99), p.quantile(1))
}
