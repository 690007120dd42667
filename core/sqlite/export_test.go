package sqlite

import "time"

// Spends has the watchdog of a store ask f for the processor time of the process.
func Spends(s *Store, f func() (time.Duration, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dog.spent = f
}

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
