package sqlite

import (
	"github.com/ncruces/go-sqlite3"
)

// Stmt is a compiled statement of one connection. It is used by the goroutine that uses the connection.
type Stmt struct {
	conn   *Conn
	raw    *sqlite3.Stmt
	sql    string
	slot   cacheSlot
	class  *Class
	gen    uint64   // Store.SchemaGen when class was learned
	names  []string // of the parameters, once they were asked for
	params int32
	cols   int32
	heavy  bool // large values are bound
	inUse  bool // between Prepare and Release
	seen   seenBits
	inner  []string // see guardState
	state  stmtState
}

type stmtState uint8

const (
	stmtReset stmtState = iota // bindable
	stmtOpen                   // stepped: has to be reset before the next use
)

// ColumnType is the storage class of a value.
type ColumnType uint8

// The storage classes.
const (
	Null ColumnType = iota
	Integer
	Float
	Text
	Blob
)

// String returns the SQL name of the storage class.
func (t ColumnType) String() string {
	names := [...]string{"NULL", "INTEGER", "REAL", "TEXT", "BLOB"}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// Value is a value of SQLite. Only the field that Type names is set; the zero value is NULL.
type Value struct {
	Type  ColumnType
	Int   int64
	Float float64
	Bytes []byte // of Text and Blob
}

// Any returns the value as nil, int64, float64, string or []byte; the bytes are copied.
func (v Value) Any() any {
	switch v.Type {
	case Integer:
		return v.Int
	case Float:
		return v.Float
	case Text:
		return string(v.Bytes)
	case Blob:
		return append([]byte{}, v.Bytes...)
	}
	return nil
}

// Row is a copy of a result row. Its zero value is ready; Stmt.Row reuses its memory.
type Row struct {
	Values []Value // Bytes are valid until the next Stmt.Row with this Row
	buf    []byte
}

// SQL returns the text of the statement.
func (s *Stmt) SQL() string { return s.sql }

// NumInput returns the number of parameters.
func (s *Stmt) NumInput() int { return int(s.params) }

// Step runs the statement to its next row, or to its end. After false the statement has ended, whether well or with err.
func (s *Stmt) Step() (row bool, err error) {
	c := s.conn
	if err := c.enter("step"); err != nil {
		return false, err
	}
	defer c.leave("step", &err)
	first := s.state == stmtReset
	s.state = stmtOpen
	if s.raw.Step() {
		if first {
			// A schema change may have recompiled the statement: SELECT * then has other columns.
			s.cols = int32(s.raw.ColumnCount())
			if s.raw.Status(sqlite3.STMTSTATUS_REPREPARE, false) > 0 {
				s.class = nil // it was learned from the program before
			}
		}
		return true, nil
	}
	err = c.wrap("step", s.raw.Err())
	if s.seen&seenDDL != 0 {
		c.pending |= pendingDDL
		c.store.gen.Add(1)
	}
	c.settle()
	return false, err
}

// Row copies the current row into r. It is called after a Step that returned true.
func (s *Stmt) Row(r *Row) (err error) {
	c := s.conn
	if err := c.enter("row"); err != nil {
		return err
	}
	defer c.leave("row", &err)
	n := int(s.cols)
	if cap(r.Values) < n {
		r.Values = make([]Value, n)
	}
	r.Values = r.Values[:n]
	r.buf = r.buf[:0]
	for i := range r.Values {
		v := &r.Values[i]
		switch s.raw.ColumnType(i) {
		case sqlite3.INTEGER:
			*v = Value{Type: Integer, Int: s.raw.ColumnInt64(i)}
		case sqlite3.FLOAT:
			*v = Value{Type: Float, Float: s.raw.ColumnFloat(i)}
		case sqlite3.TEXT:
			*v = Value{Type: Text, Bytes: r.keep(s.raw.ColumnRawText(i))}
		case sqlite3.BLOB:
			*v = Value{Type: Blob, Bytes: r.keep(s.raw.ColumnRawBlob(i))}
		default:
			*v = Value{}
		}
	}
	return nil
}

// keep copies b. When the buffer has to grow, values copied before stay in the old one, which they keep alive.
func (r *Row) keep(b []byte) []byte {
	start := len(r.buf)
	r.buf = append(r.buf, b...)
	return r.buf[start:len(r.buf):len(r.buf)]
}

// DeclTypes returns the declared types of the result columns, "" for an expression.
func (s *Stmt) DeclTypes() []string {
	c := s.conn
	var err error
	if c.enter("declared types") != nil {
		return nil
	}
	defer c.leave("declared types", &err)
	types := make([]string, s.raw.ColumnCount())
	for i := range types {
		types[i] = s.raw.ColumnDeclType(i)
	}
	return types
}

// Counters is what a statement did.
type Counters struct {
	VMSteps   int64 // instructions of SQLite's virtual machine
	FullScan  int64 // steps of a full table scan
	Sorts     int64
	AutoIndex int64 // rows put into indexes made for one execution
	Reprepare int64 // recompilations
}

// Counters returns what the statement did since the last call of Counters.
func (s *Stmt) Counters() (n Counters) {
	c := s.conn
	var err error
	if c.enter("counters") != nil {
		return n
	}
	defer c.leave("counters", &err)
	return s.counters()
}

func (s *Stmt) counters() Counters {
	return Counters{
		VMSteps:   int64(s.raw.Status(sqlite3.STMTSTATUS_VM_STEP, true)),
		FullScan:  int64(s.raw.Status(sqlite3.STMTSTATUS_FULLSCAN_STEP, true)),
		Sorts:     int64(s.raw.Status(sqlite3.STMTSTATUS_SORT, true)),
		AutoIndex: int64(s.raw.Status(sqlite3.STMTSTATUS_AUTOINDEX, true)),
		Reprepare: int64(s.raw.Status(sqlite3.STMTSTATUS_REPREPARE, true)),
	}
}

// Reset closes the cursor and makes the statement ready to run again. It does not repeat the error of the last Step.
func (s *Stmt) Reset() (err error) {
	if s.state == stmtReset {
		return nil
	}
	c := s.conn
	if err := c.enter("reset"); err != nil {
		return err
	}
	defer c.leave("reset", &err)
	s.reset()
	return nil
}

func (s *Stmt) reset() {
	// It repeats the error of the last step, which was returned then.
	_ = s.raw.Reset()
	s.state = stmtReset
	s.conn.settle()
}

// Release resets the statement and gives it back to the cache, or finalises it when it is a copy. It must not be used afterwards.
func (s *Stmt) Release() {
	if !s.inUse {
		return
	}
	s.inUse = false
	if s.slot.cached && s.state == stmtReset && !s.heavy {
		return
	}
	c := s.conn
	var err error
	if c.enter("release") != nil {
		return
	}
	defer c.leave("release", &err)
	s.release()
}

func (s *Stmt) release() {
	if s.state != stmtReset {
		s.reset()
	}
	if !s.slot.cached {
		finalise(s.raw)
		return
	}
	if s.heavy {
		// SQLite keeps bound values until they are replaced.
		_ = s.raw.ClearBindings()
		s.heavy = false
	}
}

// heavyBinding is the size of a bound value, in bytes, above which Release gives its memory back at once.
const heavyBinding = 4 << 10
