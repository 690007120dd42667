package sqlite

import "time"

// FileOf returns the open database file of a connection.
func fileOf(c *Conn) *file {
	c.vfs.track.mu.Lock()
	defer c.vfs.track.mu.Unlock()
	for f := range c.vfs.track.db.users {
		if f.vfs == c.vfs {
			return f
		}
	}
	return nil
}

// HoldAndLeave runs rounds calls into SQLite through a gate that somebody else looks at all the time, and returns how many of them were told that
// the gate was shut, which it never is.
func HoldAndLeave(rounds int) (refused int) {
	g := newGate()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if g.hold() {
				g.letGo()
			}
		}
	}()
	for range rounds {
		g.state.Store(gateInside)
		if !g.swap(gateInside, gateIdle) {
			refused++
		}
	}
	close(stop)
	<-ended
	return refused
}

// LookQuiet has the watchdog, which the caller has put to sleep, look at a connection until it was quiet for so many looks, and reports whether its memory is
// taken.
func LookQuiet(c *Conn, quiet int) (taken bool) {
	for c.ctx.seen.quiet < quiet && !c.ctx.memory.off.Load() {
		c.store.watch()
		time.Sleep(time.Millisecond)
	}
	return c.ctx.memory.off.Load()
}

// Sleep puts the watchdog of a store to sleep for good.
func Sleep(s *Store) { s.stopWatchdog() }
