package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/quarantine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
)

// QuarantineError is what every write gets while the database is in quarantine.
type QuarantineError struct {
	// Since is when the damage was met.
	Since time.Time
	// Reason is what was met.
	Reason string
	// File is the record that keeps the quarantine across restarts; "" for a database in memory, or where it could not be written.
	File string
}

// Error says why, and what an operator does about it.
func (e *QuarantineError) Error() string {
	return fmt.Sprintf("engine: the database is in quarantine since %s and is not written to (%s): restore a backup or repair it, then check and release it with `engine health --reset`",
		e.Since.UTC().Format(time.RFC3339), e.Reason)
}

// Is matches ErrQuarantined.
func (e *QuarantineError) Is(target error) bool { return target == ErrQuarantined }

// ErrorType is the value of the error.type attribute in spans.
func (e *QuarantineError) ErrorType() string { return "quarantined" }

// quarantined is the state of one open database.
type quarantined struct {
	why      atomic.Pointer[QuarantineError]
	atOpen   bool // it was in quarantine when it was opened: there is no writer
	database string
}

// recall looks whether the database is in quarantine already.
func (q *quarantined) recall(loc sqlite.Location) {
	if loc.Memory {
		return
	}
	q.database = loc.Path
	r := quarantine.Load(loc.Path)
	if r == nil {
		return
	}
	q.atOpen = true
	q.why.Store(&QuarantineError{Since: r.Since, Reason: r.Reason, File: quarantine.Path(loc.Path)})
}

// err is what writes get, or nil.
func (q *quarantined) err() error {
	if why := q.why.Load(); why != nil {
		return why
	}
	return nil
}

// damaged puts the database into quarantine. What comes first stays.
func (db *DB) damaged(err error, statement *trace.Query) {
	q := &db.guard.quarantine
	if q.why.Load() != nil || db.lanes == nil {
		return
	}
	if moved, _, _ := db.store.HasMoved(); moved {
		return // what was read is not the database any more, but whatever took its place; the lanes will reconnect
	}
	e := storeError(err)
	r := quarantine.Record{Since: time.Now().UTC(), Reason: shown(err), Class: e.Class.String(), Code: e.Code}
	if statement != nil {
		r.Statement = statement.Text
	}
	why := &QuarantineError{Since: r.Since, Reason: r.Reason}
	if q.database != "" {
		if failed := r.Save(q.database); failed != nil {
			db.log.Error("the quarantine cannot be kept across a restart: do not restart before the database is restored", "database", q.database, "error", failed)
		} else {
			why.File = quarantine.Path(q.database)
		}
	}
	if !q.why.CompareAndSwap(nil, why) {
		return
	}
	db.lanes.Freeze(why)
	db.log.Error("the database is damaged and in quarantine: nothing is written to it until it is released", "database", db.store.Location().String(),
		"reason", r.Reason, "statement", r.Statement)
	db.guard.prober.start()
}

// Quarantine is the quarantine of a database: whether it is in one, and the way out. Safe for concurrent use.
type Quarantine struct{ db *DB }

// Quarantine returns the quarantine of the database. A database gets there when a statement finds it damaged: it can be read, and nothing
// is written to it, across restarts, until it was checked and released.
func (db *DB) Quarantine() Quarantine { return Quarantine{db} }

// Err returns nil, or the *[QuarantineError] that every write gets.
func (q Quarantine) Err() error { return q.db.guard.quarantine.err() }

// Check runs SQLite's integrity check on a connection of its own and returns what it found wrong; nil for nothing. It reads the whole
// database.
//
// # Errors
//
// Those of a read: the check did not come to its end, which says nothing good of the database.
func (q Quarantine) Check(ctx context.Context) ([]string, error) {
	rows, err := q.db.Query(ctx, "PRAGMA integrity_check(100)", WithClass(ClassMaintenance), WithName("integrity check"))
	if err != nil {
		return nil, err
	}
	var found []string
	for row, err := range rows.All() {
		if err != nil {
			return found, err
		}
		var line string
		if err := row.Scan(&line); err != nil {
			return found, err
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	return found, nil
}

// Reset checks the database and, when nothing is wrong with it, ends the quarantine. A database that was opened while in quarantine has
// no writer: open it anew after Reset.
//
// # Errors
//
// [ErrCorrupt] when the check found damage, and those of Check; the quarantine goes on. What the operating system says when the record
// cannot be removed.
func (q Quarantine) Reset(ctx context.Context) error {
	found, err := q.Check(ctx)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return typed(&sqlite.Error{Class: sqlite.Corrupt, Op: "integrity check",
			Msg: fmt.Sprintf("%d findings, the first is %q; the quarantine stays: restore a backup", len(found), found[0])}, "")
	}
	state := &q.db.guard.quarantine
	if state.database != "" {
		if err := quarantine.Clear(state.database); err != nil {
			return err
		}
	}
	q.db.released("an operator")
	return nil
}

// released ends the quarantine in this process.
func (db *DB) released(by string) {
	q := &db.guard.quarantine
	if q.why.Swap(nil) == nil {
		return
	}
	if !q.atOpen {
		db.lanes.Thaw()
	}
	db.log.Warn("the quarantine was ended", "by", by, "database", db.store.Location().String())
}

// watch ends the quarantine of this process when somebody else has removed its record.
func (db *DB) watchQuarantine() {
	q := &db.guard.quarantine
	if why := q.why.Load(); why != nil && why.File != "" && !q.atOpen && quarantine.Load(q.database) == nil {
		db.released("the removal of " + why.File)
	}
}
