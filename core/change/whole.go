package change

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// wholes remembers, of the rows that rules judge at commit, what they were when the transaction began. What they are at its end is read then: a savepoint
// that was rolled back leaves no trace.
type wholes struct {
	order []rowKey
	first map[rowKey]begin
}

// begin is a row at the begin of the transaction.
type begin struct {
	image []sqlite.Value // nil: there was none
	pk    []any          // its primary key's values, of a table WITHOUT ROWID
}

// mostWhole is how many rows one transaction can have judged at its commit: they are kept in memory.
const mostWhole = 250_000

func (w *wholes) reset() {
	if len(w.order) > 0 {
		w.order, w.first = nil, nil
	}
}

func (w *wholes) empty() bool { return len(w.order) == 0 }

func (w *wholes) note(c *changes) {
	for i := range c.rows {
		r := &c.rows[i]
		if !r.t.whole {
			continue
		}
		if r.kind != inserted {
			w.touch(c, r.t, r.from, r.old, true)
		}
		if r.kind == inserted || r.to != r.from {
			w.touch(c, r.t, r.to, r.new, false)
		}
	}
}

func (w *wholes) touch(c *changes, t *table, k key, at int, existed bool) {
	id := rowKey{t, k}
	if _, known := w.first[id]; known {
		return
	}
	if w.first == nil {
		w.first = map[rowKey]begin{}
	}
	row := c.image(t, at)
	var b begin
	for _, p := range t.pk {
		b.pk = append(b.pk, own(row[p]))
	}
	if existed {
		b.image = make([]sqlite.Value, len(row))
		for i := range row {
			b.image[i] = own(row[i])
		}
	}
	w.first[id] = b
	w.order = append(w.order, id)
}

// own is a value that nobody else writes to.
func own(v sqlite.Value) sqlite.Value {
	if v.Bytes != nil {
		v.Bytes = append([]byte{}, v.Bytes...)
	}
	return v
}

// net compares the rows with what they were.
func (w *warden) net(ctx context.Context) (*changes, error) {
	if n := len(w.whole.order); n > mostWhole {
		t := w.whole.order[0].t
		who := t.rules[0].Validator.Identity()
		return nil, &FaultError{Plugin: who.Name, Version: who.Version, Table: t.name, Reason: "the transaction changes more rows than can be judged at once: commit in smaller parts"}
	}
	defer w.quietly()()
	guard := w.conn.Guard()
	w.conn.SetGuard(sqlite.Guard{Trusted: true})
	defer w.conn.SetGuard(guard)
	c := &changes{}
	for i, id := range w.whole.order {
		if i%256 == 255 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		b := w.whole.first[id]
		image, err := w.current(id, b)
		if err != nil {
			return nil, err
		}
		r := row{t: id.t, from: id.k, to: id.k, old: -1, new: -1}
		switch {
		case b.image == nil && image == nil, b.image != nil && image != nil && same(b.image, image):
			continue
		case b.image == nil:
			r.kind = inserted
		case image == nil:
			r.kind = deleted
		default:
			r.kind = updated
		}
		if b.image != nil {
			r.old = len(c.cells)
			c.cells = append(c.cells, b.image...)
		}
		if image != nil {
			r.new = len(c.cells)
			c.cells = append(c.cells, image...)
		}
		c.rows = append(c.rows, r)
	}
	return c, nil
}

// current reads a row as it is now; nil when there is none.
func (w *warden) current(id rowKey, b begin) ([]sqlite.Value, error) {
	t := id.t
	args := b.pk
	if t.pk == nil {
		args = []any{id.k.id}
		if t.rowid == "" {
			who := t.rules[0].Validator.Identity()
			return nil, &FaultError{Plugin: who.Name, Version: who.Version, Table: t.name, Reason: hiddenRowid}
		}
	}
	rows, err := w.read(t.select1(), args...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// select1 is the query for an image by its key.
func (t *table) select1() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, c := range t.cols {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoted(c))
	}
	b.WriteString(t.byKey())
	return b.String()
}

// byKey is the end of a query for a row by its key, whose values are its arguments. Two keys that the table's collation takes for the same are different rows of a
// transaction that has replaced one by the other, so they are compared byte by byte besides.
func (t *table) byKey() string {
	var b strings.Builder
	b.WriteString(" FROM main." + quoted(t.name) + " WHERE ")
	if t.pk == nil {
		b.WriteString(t.rowid + " = ?1")
		return b.String()
	}
	for i, p := range t.pk {
		if i > 0 {
			b.WriteString(" AND ")
		}
		fmt.Fprintf(&b, "%[1]s = ?%[2]d AND %[1]s COLLATE BINARY = ?%[2]d", quoted(t.cols[p]), i+1)
	}
	return b.String()
}

func same(a, b []sqlite.Value) bool {
	for i := range a {
		x, y := &a[i], &b[i]
		if x.Type != y.Type || x.Int != y.Int && x.Type == sqlite.Integer || x.Float != y.Float && x.Type == sqlite.Float || string(x.Bytes) != string(y.Bytes) {
			return false
		}
	}
	return true
}
