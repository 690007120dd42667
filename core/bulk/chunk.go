package bulk

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// attempt is one run of a transaction. The engine may run it twice; the last run counts.
type attempt struct {
	rows     int // done, refused ones included
	inserted int64
	refused  []Reject
	text     []byte  // of the refused rows, for their file
	stop     *Reject // the row at rows is refused, and no more may be
	lost     bool    // the row at rows cost the transaction
	next     progress
	held     time.Duration
	err      error // a failure that is no row's
}

// step writes rows in one transaction. When a row costs its transaction (a trigger that rolls back, a deferred foreign key)
// the rows before it are written alone, then that row, so that nobody else's fails with it.
func (im *importer) step(ctx context.Context) error {
	var a attempt
	err := im.write(ctx, &a)
	if err == nil {
		return im.advance(&a)
	}
	why := rowFault(err)
	if why == "" || a.err != nil {
		return err
	}
	tried := a.rows
	if a.lost {
		tried++
	}
	switch {
	case tried <= 1: // it was alone: its own fault
		im.queue.waiting()[0].bad, im.limit = why, 1
	case a.lost:
		im.limit = a.rows
	default:
		im.limit = tried / 2
	}
	return nil
}

// advance makes what was committed the state from which the next step starts.
func (im *importer) advance(a *attempt) error {
	room := max(0, firstRejects-len(im.report.First))
	im.report.First = append(im.report.First, a.refused[:min(room, len(a.refused))]...)
	im.report.Chunks++
	im.report.Longest = max(im.report.Longest, a.held)
	if im.limit *= 2; im.limit > backlogRows { // where one row cost its transaction, the next one may: begin small
		im.limit = 0
	}
	im.kept = a.next
	im.queue.drop(a.rows)
	if a.stop != nil {
		im.count()
		return &RowError{Reject: *a.stop, Limit: im.opt.MaxRejects, Resumable: im.report.Resumable}
	}
	return nil
}

func (r *row) reject(why string) Reject {
	return Reject{Line: r.line, Row: r.after.Rows, Column: r.column, Reason: why}
}

// patience is how long an import waits for its turn before it gives up.
const patience = time.Minute

// write runs one transaction until its outcome is known.
func (im *importer) write(ctx context.Context, a *attempt) error {
	work := Work{Name: "import " + im.table.name, Durable: !im.report.Resumable, Hold: holdFor}
	return im.update(ctx, work, func(ctx context.Context, w Writer) error {
		*a = attempt{next: im.kept}
		start := time.Now()
		defer func() { a.held = time.Since(start) }()
		return im.fill(ctx, w, a, start)
	}, func(r recorded) bool { return r.at.Rows == a.next.at.Rows })
}

// holdFor bounds a transaction whose goroutine does not get to run on a busy machine. Transactions end by the clock long
// before it.
const holdFor = 2 * time.Second

// update is a transaction that is repeated where nothing was applied. When nobody knows whether it was committed, the
// recorded progress tells: done looks at it.
func (im *importer) update(ctx context.Context, work Work, fn func(context.Context, Writer) error, done func(recorded) bool) error {
	deadline := time.Now().Add(patience)
	unknown := false
	for wait := time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		err := im.db.Update(ctx, work, fn)
		unknown = unknown || errors.Is(err, lane.ErrOutcomeUnknown)
		switch {
		case err == nil:
			return nil
		case unknown && im.report.Resumable && (errors.Is(err, lane.ErrOutcomeUnknown) || errors.Is(err, ErrProgress)):
			applied, look := im.applied(ctx, done)
			if applied && look == nil {
				return nil
			}
			if look != nil || errors.Is(err, ErrProgress) {
				return err
			}
		case !errors.Is(err, lane.ErrOverloaded) && !errors.Is(err, lane.ErrNotApplied) && !busy(err):
			return err
		}
		if time.Now().After(deadline) {
			return err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Class == sqlite.Busy || e.Class == sqlite.BusySnapshot)
}

// fill inserts rows until time is up, and records how far it came.
func (im *importer) fill(ctx context.Context, w Writer, a *attempt, start time.Time) error {
	rows := im.queue.waiting()
	if im.limit > 0 && im.limit < len(rows) {
		rows = rows[:im.limit]
	}
	for i := range rows {
		why, err := im.insert(ctx, w, &rows[i], a)
		if err != nil {
			return err
		}
		if why == "" {
			a.inserted++
		} else if !im.refuse(&rows[i], why, a) {
			break
		}
		a.rows++
		if time.Since(start) >= im.opt.Chunk {
			break
		}
	}
	a.err = im.note(ctx, w, a, rows)
	return a.err
}

// insert writes a row, or says why it is refused.
func (im *importer) insert(ctx context.Context, w Writer, r *row, a *attempt) (why string, err error) {
	if r.bad != "" {
		return r.bad, nil
	}
	changed, err := w.Exec(ctx, r.plan.sql, r.args)
	switch {
	case err != nil && w.Err() != nil:
		a.lost = true
		return "", err
	case err != nil:
		if why = rowFault(err); why == "" {
			a.err = err
			return "", err
		}
		return why, nil
	case changed == 0:
		return "the schema ignored it: a trigger, or ON CONFLICT IGNORE", nil
	}
	return "", nil
}

// refuse counts a row as refused; false when no more may be.
func (im *importer) refuse(r *row, why string, a *attempt) bool {
	reject := r.reject(why)
	if im.overLimit(len(a.refused)) {
		a.stop = &reject
		return false
	}
	a.refused = append(a.refused, reject)
	if im.opt.Rejects != nil {
		a.text = appendReject(a.text, r, why)
	}
	return true
}

// overLimit reports whether one more row than may be is refused.
func (im *importer) overLimit(refused int) bool {
	if !im.opt.SkipBad {
		return true
	}
	return im.opt.MaxRejects > 0 && im.kept.rejected+int64(refused) >= im.opt.MaxRejects
}

// note puts the refused rows into their file and the progress into the transaction. The file comes first: a process that is
// killed in between leaves a file that is too long, which the next run cuts.
func (im *importer) note(ctx context.Context, w Writer, a *attempt, rows []row) error {
	if a.rows > 0 {
		a.next.at = rows[a.rows-1].after
	}
	a.next.inserted += a.inserted
	a.next.rejected += int64(len(a.refused))
	if len(a.text) > 0 {
		if _, err := im.opt.Rejects.WriteAt(a.text, im.kept.rejectsBytes); err != nil {
			return err
		}
		a.next.rejectsBytes += int64(len(a.text))
	}
	if !im.report.Resumable {
		return nil
	}
	return im.save(ctx, w, &a.next, false)
}

// rowFault is what the schema has against a row, or "" where the error is about something else. It holds names of the schema
// and what a trigger says, never a value.
func rowFault(err error) string {
	var rule interface{ RowFault() string } // of whoever judges rows beside the schema
	if errors.As(err, &rule) {
		return rule.RowFault()
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Class {
	case sqlite.Constraint, sqlite.Mismatch, sqlite.TooBig:
	case sqlite.SQL: // what a CHECK or a trigger computes may fail: malformed JSON, integer overflow
		if e.Op != "step" {
			return ""
		}
	default:
		return ""
	}
	msg := strings.TrimPrefix(e.Msg, "sqlite3: ")
	if _, which, ok := strings.Cut(msg, "constraint failed: "); ok && strings.Contains(which, "constraint failed: ") {
		return which // SQLite says which constraint failed behind the general word for it
	}
	return msg
}
