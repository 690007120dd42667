package sqlite

import "github.com/ncruces/go-sqlite3"

// ChangeOp is what is about to happen to a row.
type ChangeOp uint8

// The operations.
const (
	RowInsert ChangeOp = iota
	RowUpdate
	RowDelete
)

// String returns the SQL verb in lower case.
func (o ChangeOp) String() string {
	names := [...]string{"insert", "update", "delete"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// Change is one row that a statement is about to change. It is valid during the call of the function given to Conn.OnChange only.
type Change struct {
	Op     ChangeOp
	Schema string // "main"
	Table  string
	// OldRowID and NewRowID are those before and after. An insert has no old one, a delete no new one, a table WITHOUT ROWID neither.
	OldRowID, NewRowID int64

	data sqlite3.PreUpdateData
}

// Columns is the number of columns of the row, generated ones included.
func (ch *Change) Columns() int { return ch.data.Count() }

// Depth is 0 for what the statement itself does, and counts the triggers and cascades between it and the row otherwise.
func (ch *Change) Depth() int { return ch.data.Depth() }

// BlobWrite reports whether the row is changed through an incremental blob, which shows as a delete without an insert.
func (ch *Change) BlobWrite() bool { return ch.data.BlobWrite() >= 0 }

// Old returns a column, counted from 0, before the change; NULL for an insert. Text and blobs are copied.
func (ch *Change) Old(column int) (Value, error) {
	if ch.Op == RowInsert {
		return Value{}, nil
	}
	return changed(ch.data.Old(column))
}

// New is Old after the change; NULL for a delete.
func (ch *Change) New(column int) (Value, error) {
	if ch.Op == RowDelete {
		return Value{}, nil
	}
	return changed(ch.data.New(column))
}

// Copy puts a column, counted from 0, into to: as it is after the change, or before it. Text and blobs are appended to room, which is returned; they
// are valid as long as nobody writes to it. It is Old and New without an allocation a value.
func (ch *Change) Copy(to *Value, before bool, column int, room []byte) ([]byte, error) {
	var v sqlite3.Value
	var err error
	if before {
		v, err = ch.data.Old(column)
	} else {
		v, err = ch.data.New(column)
	}
	if err != nil {
		return room, driverError("change", err)
	}
	start := len(room)
	switch v.Type() {
	case sqlite3.INTEGER:
		*to = Value{Type: Integer, Int: v.Int64()}
	case sqlite3.FLOAT:
		*to = Value{Type: Float, Float: v.Float()}
	case sqlite3.TEXT:
		room = append(room, v.RawText()...)
		*to = Value{Type: Text, Bytes: room[start:len(room):len(room)]}
	case sqlite3.BLOB:
		room = append(room, v.RawBlob()...)
		*to = Value{Type: Blob, Bytes: room[start:len(room):len(room)]}
	default:
		*to = Value{}
	}
	return room, nil
}

func changed(v sqlite3.Value, err error) (Value, error) {
	if err != nil {
		return Value{}, driverError("change", err)
	}
	return argument(v), nil
}

// OnChange calls fn ahead of every row that a statement inserts, updates or deletes, by itself, by a trigger or by a cascade; nil ends it.
// fn runs inside SQLite: it must be quick, must not use the connection and must not panic.
//
// What SQLite does not report: ALTER TABLE, CREATE TABLE … AS, DROP TABLE, rows that REPLACE removes while recursive triggers are off,
// and a DELETE without WHERE that was compiled while nobody listened. OnChange drops the cached statements because of the last; a
// statement that the caller still holds keeps its blind spot, so call it before preparing anything.
func (c *Conn) OnChange(fn func(*Change)) (err error) {
	if err := c.enter("change"); err != nil {
		return err
	}
	defer c.leave("change", &err)
	c.forgetStatements()
	if fn == nil {
		c.raw.PreUpdateHook(nil)
		return nil
	}
	var ch Change
	c.raw.PreUpdateHook(func(d sqlite3.PreUpdateData) {
		ch = Change{Op: RowUpdate, Schema: d.Schema, Table: d.Table, OldRowID: d.OldRowID, NewRowID: d.NewRowID, data: d}
		switch d.Op {
		case sqlite3.AUTH_INSERT:
			ch.Op = RowInsert
		case sqlite3.AUTH_DELETE:
			ch.Op = RowDelete
		}
		fn(&ch)
	})
	return nil
}

// forgetStatements empties the cache; a statement in use is closed when it is released.
func (c *Conn) forgetStatements() {
	for _, s := range c.stmts.byKey {
		c.stmts.remove(s)
		if !s.inUse {
			finalise(s.raw)
		}
	}
}
