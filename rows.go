package engine

import (
	"context"
	"iter"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/trace"
)

// Rows are the rows of a query, read one by one. While they are open they hold a connection and a snapshot, not a turn at
// the processor. Not safe for concurrent use.
type Rows struct {
	db      *DB
	ctx     context.Context
	cur     *lane.Cursor
	cancel  context.CancelFunc
	tx      *Tx
	st      trace.Statement
	has     bool
	done    bool
	err     error
	columns []string // of closed rows
	text    textChunk
	plan    *structPlan // how the columns fill the struct that was scanned last
	given   [8]any      // what is bound, where it fits
}

// bound notes what is bound, in memory of its own: the caller's slice is the caller's again before the rows are read.
func (r *Rows) bound(args []any) { r.st.Given.Args = append(r.given[:0], args...) }

// Columns are the names of the columns.
func (r *Rows) Columns() []string {
	if r.done {
		return r.columns
	}
	return r.cur.Columns()
}

// DeclTypes are the declared types of the columns, "" for expressions; nil once the rows are closed.
func (r *Rows) DeclTypes() []string {
	if r.done {
		return nil
	}
	return r.cur.DeclTypes()
}

// Next steps to the next row. False means that there is none, or that Err is set; the rows are closed then.
func (r *Rows) Next() bool {
	if r.done {
		return false
	}
	if r.tx != nil && r.tx.over.Load() {
		r.end(r.tx.ended()) // the rows that are left must not look like the end of the result
		return false
	}
	ok, err := r.cur.Next(r.ctx)
	r.has = ok
	if ok {
		return true
	}
	r.end(err)
	return false
}

// end reports the statement and lets the connection go.
func (r *Rows) end(err error) {
	if r.done {
		return
	}
	r.done, r.has = true, false
	r.columns = r.cur.Columns()
	res := r.cur.Finish()
	r.cur = nil
	if r.tx != nil {
		r.tx.failed(err)
	}
	if err = r.db.record(r.ctx, &r.st, res, err); err != nil {
		r.err = err
	}
	if r.cancel != nil {
		r.cancel()
	}
}

// Err is the error that ended the rows, or nil.
func (r *Rows) Err() error { return r.err }

// Close ends the query. It is safe to call again, and returns nil unless reading had failed before.
func (r *Rows) Close() error {
	r.end(nil)
	return r.err
}

// All ranges over the rows and closes them at the end, on break too:
//
//	for row, err := range rows.All() {
//		if err != nil { return err }
//		if err := row.Scan(&id, &qty); err != nil { return err }
//	}
func (r *Rows) All() iter.Seq2[*Rows, error] {
	return func(yield func(*Rows, error) bool) {
		defer r.Close()
		for r.Next() {
			if !yield(r, nil) {
				return
			}
		}
		if r.err != nil {
			yield(r, r.err)
		}
	}
}

// Values are the values of the current row: int64, float64, string, []byte or nil.
func (r *Rows) Values() ([]any, error) {
	if !r.has {
		return nil, argErrorf("Values without a row: call Next first")
	}
	row := r.cur.Row()
	out := make([]any, len(row))
	for i := range row {
		out[i] = row[i].Any()
	}
	return out, nil
}

// Row is the result of a query of which at most one row is wanted.
type Row struct {
	rows Rows
	err  error
}

// Scan copies the row, as [Rows.Scan] does, and ends the query. It returns [ErrNoRows] when there is none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}
