package enginetest

import (
	"sync"
	"time"

	"github.com/tidegate/engine/internal/clock"
)

// Clock is a clock that stands still until the test moves it. The engine uses it for what takes minutes: closing connections that are
// idle, and the age of snapshots. Deadlines of contexts, limits of a lane and the time of SQL's own functions stay
// the system's. Make it with [NewClock]. Safe for concurrent use.
type Clock struct{ fake *clock.Fake }

// NewClock returns a clock that shows start.
func NewClock(start time.Time) *Clock { return &Clock{clock.NewFake(start)} }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time { return c.fake.Now() }

// Advance moves the clock. What the engine does about it happens in the background: see [Eventually].
func (c *Clock) Advance(d time.Duration) { c.fake.Advance(d) }

// clockSeam is the Clock of one engine. It tells when the engine has begun to listen to it.
type clockSeam struct {
	c       *Clock
	ticking chan struct{}
	once    sync.Once
}

func newClockSeam(c *Clock) *clockSeam { return &clockSeam{c: c, ticking: make(chan struct{})} }

func (s *clockSeam) Now() time.Time { return s.c.Now() }

func (s *clockSeam) Tick(d time.Duration) *clock.Ticker {
	t := s.c.fake.Tick(d)
	s.once.Do(func() { close(s.ticking) })
	return t
}
