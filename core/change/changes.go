package change

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/sdk/contract"
)

// kind is what became of a row.
type kind uint8

const (
	inserted kind = iota
	updated
	deleted
	replaced // deleted, and another put in its place
	undone   // inserted and deleted: nothing is left to judge
)

// key identifies a row of one table.
type key struct {
	id int64
	pk string // of a table WITHOUT ROWID: its encoded primary key
}

// row is one change. Images are places in the cells of its changes; -1 is none.
type row struct {
	t        *table
	kind     kind
	from, to key
	old, new int
}

// changes are the rows that a statement, or a transaction, changed. Its memory is used again.
type changes struct {
	rows  []row
	cells []sqlite.Value
	room  []byte // of text and blobs
	err   error  // why they are not complete
}

// roomKept is how much memory of a large statement is kept for the next one, in bytes and in cells.
const roomKept = 64 << 10

func (c *changes) reset() {
	if len(c.rows) == 0 && len(c.cells) == 0 && c.err == nil {
		return // cells may be left of rows of which none is: what a trigger has taken away again
	}
	if cap(c.room) > roomKept || cap(c.cells) > roomKept {
		*c = changes{}
		return
	}
	c.rows, c.cells, c.room, c.err = c.rows[:0], c.cells[:0], c.room[:0], nil
}

// image is the values of a row before or after.
func (c *changes) image(t *table, at int) []sqlite.Value { return c.cells[at : at+len(t.cids)] }

// hear is called by SQLite ahead of each change.
func (w *warden) hear(ch *sqlite.Change) {
	if w.own || ch.Schema != "main" || w.now.err != nil {
		return
	}
	t := w.tables[ch.Table]
	if t == nil {
		return
	}
	if w.now.err = t.err; t.err == nil {
		w.now.err = w.now.add(t, ch)
	}
}

func (c *changes) add(t *table, ch *sqlite.Change) (err error) {
	r := row{t: t, old: -1, new: -1, from: key{id: ch.OldRowID}, to: key{id: ch.NewRowID}}
	switch ch.Op {
	case sqlite.RowInsert:
		r.kind = inserted
	case sqlite.RowUpdate:
		r.kind = updated
	case sqlite.RowDelete:
		if ch.BlobWrite() {
			return &FaultError{Table: t.name, Plugin: t.rules[0].Validator.Identity().Name, Reason: "it was changed through an incremental blob, which shows no rule what is written: use UPDATE"}
		}
		r.kind = deleted
	}
	if r.kind != inserted {
		if r.old, err = c.copy(t, ch, true); err != nil {
			return err
		}
	}
	if r.kind != deleted {
		if r.new, err = c.copy(t, ch, false); err != nil {
			return err
		}
	}
	if t.pk != nil {
		if r.old >= 0 {
			r.from = c.key(t, r.old)
		}
		if r.new >= 0 {
			r.to = c.key(t, r.new)
		}
	}
	switch r.kind {
	case inserted:
		r.from = r.to
	case deleted:
		r.to = r.from
	}
	c.rows = append(c.rows, r)
	return nil
}

func (c *changes) copy(t *table, ch *sqlite.Change, before bool) (at int, err error) {
	at = len(c.cells)
	for _, cid := range t.cids {
		c.cells = append(c.cells, sqlite.Value{})
		if c.room, err = ch.Copy(&c.cells[len(c.cells)-1], before, cid, c.room); err != nil {
			return 0, fmt.Errorf("change: reading column %d of %s: %w", cid, t.name, err)
		}
	}
	return at, nil
}

// key encodes the primary key of an image, each value with its type and length, so that no two keys meet.
func (c *changes) key(t *table, at int) key {
	var b strings.Builder
	row := c.image(t, at)
	for _, i := range t.pk {
		text := keyText(&row[i])
		fmt.Fprintf(&b, "%d:%d:%s", row[i].Type, len(text), text)
	}
	return key{pk: b.String()}
}

func keyText(v *sqlite.Value) string {
	switch v.Type {
	case sqlite.Integer:
		return strconv.FormatInt(v.Int, 10)
	case sqlite.Float:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	case sqlite.Null:
		return "NULL"
	}
	return string(v.Bytes)
}

// longestKey bounds a key in a message, in bytes.
const longestKey = 64

// label is a row's key for people.
func (c *changes) label(r *row, keys Keys) string {
	if keys == KeysNone {
		return ""
	}
	if r.t.pk == nil {
		return strconv.FormatInt(r.to.id, 10)
	}
	at := r.new
	if at < 0 {
		at = r.old
	}
	parts := make([]string, len(r.t.pk))
	for i, p := range r.t.pk {
		v := &c.image(r.t, at)[p]
		if parts[i] = keyText(v); keys == KeysHash {
			parts[i] = hidden(v)
		}
	}
	text := strings.ToValidUTF8(strings.Join(parts, ","), "�")
	if len(text) > longestKey {
		text = strings.ToValidUTF8(text[:longestKey], "") + "…"
	}
	return text
}

// mapFrom is from how many rows on a map finds them faster than a look at each.
const mapFrom = 16

// rowKey is a row among all tables.
type rowKey struct {
	t *table
	k key
}

// merge makes one net change of each row: what a trigger did to a row before or after its statement is part of that row's change. Rows stay in the order
// of their first change.
func (c *changes) merge() {
	if len(c.rows) < 2 {
		return
	}
	events := c.rows
	c.rows = c.rows[:0] // never longer than what was read of events
	var live, gone map[rowKey]int
	if len(events) >= mapFrom {
		live, gone = map[rowKey]int{}, map[rowKey]int{}
	}
	find := func(t *table, k key, dead bool) int {
		if live != nil {
			m := live
			if dead {
				m = gone
			}
			if i, ok := m[rowKey{t, k}]; ok {
				return i
			}
			return -1
		}
		for i := len(c.rows) - 1; i >= 0; i-- {
			r := &c.rows[i]
			if r.t == t && r.to == k && r.kind != undone && (r.kind == deleted) == dead {
				return i
			}
		}
		return -1
	}
	for n := range events {
		e := events[n]
		i := -1
		switch e.kind {
		case inserted:
			i = find(e.t, e.to, true)
		default:
			i = find(e.t, e.from, false)
		}
		if i < 0 {
			c.rows = append(c.rows, e)
			i = len(c.rows) - 1
		} else {
			was := rowKey{e.t, c.rows[i].to}
			delete(live, was)
			delete(gone, was)
			c.rows[i].follow(e)
		}
		if r := &c.rows[i]; live != nil && r.kind == deleted {
			gone[rowKey{r.t, r.to}] = i
		} else if live != nil && r.kind != undone {
			live[rowKey{r.t, r.to}] = i
		}
	}
	left := c.rows[:0]
	for _, r := range c.rows {
		if r.kind != undone {
			left = append(left, r)
		}
	}
	c.rows = left
}

// follow makes one change of r and the later e of the same row.
func (r *row) follow(e row) {
	switch {
	case e.kind == inserted: // r is deleted
		r.kind, r.new, r.to = replaced, e.new, e.to
	case e.kind == updated:
		r.new, r.to = e.new, e.to
	case r.kind == inserted: // and e deletes it
		r.kind = undone
	default:
		r.kind, r.new, r.to = deleted, -1, r.from
	}
}

// as says whether a rule that watches ops is to see the row under op. A row that was replaced is an update for who watches updates, so that REPLACE is
// no way around a rule of UPDATE; for others it is what it was: one row gone, one come.
func (r *row) as(op, ops contract.Ops) bool {
	switch r.kind {
	case inserted:
		return op == contract.OnInsert
	case updated:
		return op == contract.OnUpdate
	case deleted:
		return op == contract.OnDelete
	case replaced:
		return (op == contract.OnUpdate) == ops.Has(contract.OnUpdate)
	}
	return false
}
