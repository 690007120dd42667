package engine

import (
	"time"

	"github.com/tidegate/engine/internal/clock"
)

// calendar tells the date in a process whose clock may be set while it runs. A date that is kept, and compared with another one later,
// cannot come from the monotonic reading, which ends with the process; but a step of the clock shows as the difference between the two. What
// is kept gets the later of the two dates, what is to be removed is judged by the earlier: a step makes things stay longer, never shorter.
type calendar struct {
	clock.Clock
	start time.Time
}

// newCalendar makes one of a clock; nil is the system's.
func newCalendar(c clock.Clock) calendar {
	if c == nil {
		c = clock.System()
	}
	return calendar{c, c.Now()}
}

// both returns the date that the clock shows, and the one that it would show had nobody set it since the database was opened.
func (c calendar) both() (shown, counted time.Time) {
	now := c.Now()
	shown = now.Round(0) // by the wall alone
	return shown, c.start.Round(0).Add(now.Sub(c.start))
}

// latest is the date for what is kept from now on.
func (c calendar) latest() time.Time {
	shown, counted := c.both()
	if counted.After(shown) {
		return counted
	}
	return shown
}

// earliest is the date by which what was kept is old.
func (c calendar) earliest() time.Time {
	shown, counted := c.both()
	if counted.Before(shown) {
		return counted
	}
	return shown
}
