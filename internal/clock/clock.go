// Package clock lets code that waits for minutes be tested in microseconds. Production code takes a Clock and is
// given System; tests give it a *Fake and move the time themselves.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and ticks. Implementations are safe for concurrent use.
type Clock interface {
	// Now is the present instant, with a monotonic reading where the clock has one.
	Now() time.Time
	// Tick sends on C at each multiple of d until Stop. A slow receiver loses ticks, it never queues them.
	Tick(d time.Duration) *Ticker
}

// Ticker is a running tick. Stop it when done.
type Ticker struct {
	C    <-chan time.Time
	stop func()
}

// Stop ends the ticks; it does not close C.
func (t *Ticker) Stop() { t.stop() }

// System is the machine's clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) Tick(d time.Duration) *Ticker {
	t := time.NewTicker(d)
	return &Ticker{C: t.C, stop: t.Stop}
}

// Fake is a clock that stands still until Advance moves it. Its zero value is not ready: use NewFake.
type Fake struct {
	mu    sync.Mutex
	now   time.Time
	ticks map[*fakeTick]struct{}
}

type fakeTick struct {
	c    chan time.Time
	d    time.Duration
	next time.Time
}

// NewFake returns a clock that shows start.
func NewFake(start time.Time) *Fake {
	return &Fake{now: start, ticks: map[*fakeTick]struct{}{}}
}

// Now is the instant that the last Advance reached.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Tick registers a tick; Advance fires it.
func (f *Fake) Tick(d time.Duration) *Ticker {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTick{c: make(chan time.Time, 1), d: d, next: f.now.Add(d)}
	f.ticks[t] = struct{}{}
	return &Ticker{C: t.c, stop: func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.ticks, t)
	}}
}

// Advance moves the time by d and fires the ticks that fall due, at most once each.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for t := range f.ticks {
		if f.now.Before(t.next) {
			continue
		}
		for !t.next.After(f.now) {
			t.next = t.next.Add(t.d)
		}
		select {
		case t.c <- f.now:
		default:
		}
	}
}
