package sqldb

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// rows are the rows of a query, as database/sql sees them: they let go of the reading at Close, so that a second Close finds nothing
// of somebody else's.
type rows struct{ of *reading }

var (
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
)

// Columns implements [driver.Rows].
func (r *rows) Columns() []string {
	if r.of == nil {
		return nil
	}
	return r.of.columns()
}

// Next implements [driver.Rows].
func (r *rows) Next(dest []driver.Value) error {
	if r.of == nil {
		return io.EOF
	}
	return r.of.deliver(dest)
}

// Close implements [driver.Rows].
func (r *rows) Close() error {
	if r.of != nil {
		r.of.end(nil)
		r.of.release()
		r.of = nil
	}
	return nil
}

// ColumnTypeDatabaseTypeName implements [driver.RowsColumnTypeDatabaseTypeName]: the declared type in capitals, without lengths; "" for
// an expression.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if r.of == nil {
		return ""
	}
	return r.of.kind[i].name
}

// ColumnTypeScanType implements [driver.RowsColumnTypeScanType]: a type that holds every value that fits the declaration, NULL included.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if r.of == nil {
		return reflect.TypeFor[any]()
	}
	return r.of.kind[i].scanType()
}

// reading is a query under way. The first row is fetched at once: a statement that fails does so in Query, and the columns are those of
// the statement as it ran.
type reading struct {
	from *Connector
	ctx  context.Context
	cur  *lane.Cursor
	st   Statement
	out  Outcome
	cols []string // the statement's
	kind []column
	next []sqlite.Value // the next row, already fetched
	log  *entry         // what a transaction remembers of them; nil outside one that may write later
	kept [][]sqlite.Value
	over bool // there is no further row in cur
	done bool
	err  error
	room [4]any // arguments, where nobody keeps them
}

// reading returns one that is not in use.
func (c *Connector) reading(ctx context.Context, st Statement) *reading {
	r, _ := c.spare.Get().(*reading)
	if r == nil {
		r = &reading{}
	}
	r.from, r.ctx, r.st = c, ctx, st
	return r
}

func (r *reading) release() {
	c := r.from
	*r = reading{}
	c.spare.Put(r)
}

// started fetches the first row; err is why the statement could not be started. It closes the record where there are no rows to come.
func (r *reading) started(err error) (*rows, error) {
	if err == nil {
		r.cols, r.kind = r.cur.Columns(), r.from.shape.of(r.cur)
		var ok bool
		if ok, err = r.fetch(); ok {
			if got := r.cur.Columns(); len(got) != len(r.cols) || len(got) > 0 && &got[0] != &r.cols[0] {
				r.cols, r.kind = got, r.from.shape.of(r.cur)
			}
		}
	}
	if err != nil {
		r.end(err)
		err = r.err
		r.release()
		return nil, err
	}
	return &rows{r}, nil
}

// fetch puts the next row of the cursor in r.next.
func (r *reading) fetch() (bool, error) {
	if r.over {
		return false, nil
	}
	ok, err := r.cur.Next(r.ctx)
	if !ok {
		r.over = true
		if err == nil && r.log != nil {
			r.log.ended = true
		}
		return false, err
	}
	r.next = r.cur.Row()
	if r.log != nil {
		r.log.add(r.next)
	}
	return true, nil
}

// columns copies the names: database/sql hands the slice on to its users, who may write to it, and the statement's own is shared.
func (r *reading) columns() []string { return append(make([]string, 0, len(r.cols)), r.cols...) }

func (r *reading) deliver(dest []driver.Value) error {
	if r.done {
		return r.ending()
	}
	if r.next == nil && len(r.kept) == 0 {
		if _, err := r.fetch(); err != nil {
			r.end(err)
			return r.ending()
		}
	}
	row := r.next
	if r.next = nil; len(r.kept) > 0 {
		row = r.kept[0]
		r.kept = r.kept[1:]
	}
	if row == nil {
		r.end(nil)
		return r.ending()
	}
	for i := range dest {
		dest[i] = r.value(&row[i], r.kind[i].kind)
	}
	return nil
}

func (r *reading) ending() error {
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

// value is a value of SQLite as database/sql passes it on: int64, float64, string, []byte or nil, and bool or time.Time where the
// column is declared so and the value is one.
func (r *reading) value(v *sqlite.Value, k kind) driver.Value {
	switch v.Type {
	case sqlite.Integer:
		switch {
		case k == kindBool && (v.Int == 0 || v.Int == 1):
			return v.Int == 1
		case k == kindInstant:
			if t, ok := r.from.host.Time(v); ok {
				return t
			}
		}
		return v.Int
	case sqlite.Float:
		return v.Float
	case sqlite.Text:
		if k == kindInstant || k == kindDate {
			if t, ok := r.from.host.Time(v); ok {
				return t
			}
		}
		return string(v.Bytes)
	case sqlite.Blob:
		if v.Bytes == nil || r.log != nil { // a first write would read on, into the memory of this row
			return append([]byte{}, v.Bytes...)
		}
		return v.Bytes
	}
	return nil
}

// end closes the cursor and the record.
func (r *reading) end(err error) {
	if r.done {
		return
	}
	r.done, r.next, r.kept = true, nil, nil
	if r.cur != nil {
		r.out.Result = r.cur.Finish()
		r.cur = nil
	}
	r.out.Err = err
	r.err = r.st.End(r.ctx, r.out)
}
