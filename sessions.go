package engine

import "time"

// Session is a transaction or a query that is under way.
type Session struct {
	// ID is its number, for [DB.Kill]; 0 for one that waits for its turn.
	ID uint64
	// Lane is where it is: writer, reader, analytics or maintenance.
	Lane string
	// Class is what it is for.
	Class Class
	// Name is what its caller called it, "" where it did not.
	Name string
	// State is "waiting" (for its turn), "running" (inside a statement) or "idle" (between two).
	State string
	// Query is its statement, with ? for every literal.
	Query string
	// Age is how long it has been in its lane.
	Age time.Duration
}

// Sessions lists what is under way, oldest first: who holds the writer, who waits for it, who keeps a connection.
func (db *DB) Sessions() []Session {
	under := db.lanes.Activity()
	out := make([]Session, len(under))
	for i, a := range under {
		out[i] = Session{ID: a.ID, Lane: a.Lane, Class: a.Class, Name: a.Name, State: a.State, Age: a.Age}
		if a.SQL != "" {
			out[i].Query = db.queries.describe(a.SQL).Text
		}
	}
	return out
}

// Kill ends the session with that number: its caller gets [ErrKilled], and nothing of it is applied. It reports whether
// there was such a session.
func (db *DB) Kill(id uint64) bool { return db.lanes.Kill(id) }
