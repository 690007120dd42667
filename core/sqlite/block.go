package sqlite

import (
	"slices"

	"github.com/ncruces/go-sqlite3"
)

// Block is a run of rows, copied out of the connection in one visit. Its arrays are used again by the next Fetch.
type Block struct {
	values []Value
	buf    []byte
	cols   int
	rows   int
}

// blockBytes is the size of text and blobs at which a Fetch takes no further row.
const blockBytes = 64 << 10

// blockCells is the number of values at which a Fetch takes no further row: a row of many columns fills a block sooner.
const blockCells = 1 << 11

// Len is the number of rows.
func (b *Block) Len() int { return b.rows }

// Row is the i-th row. It is valid until the next Fetch.
func (b *Block) Row(i int) []Value { return b.values[i*b.cols : (i+1)*b.cols : (i+1)*b.cols] }

// Clear empties the block and lets go of arrays that a few large rows have made large.
func (b *Block) Clear() {
	b.rows, b.values = 0, b.values[:0]
	if cap(b.buf) > 4*blockBytes {
		b.buf = nil
	}
	b.buf = b.buf[:0]
}

// Begin is Bind and the first Fetch in one visit.
func (s *Stmt) Begin(args []any, b *Block, limit int) (more bool, err error) {
	b.Clear()
	c := s.conn
	if err := c.enter("step"); err != nil {
		return false, err
	}
	defer c.leave("step", &err)
	if err := s.bind(args); err != nil {
		return false, err
	}
	return s.fetch(b, limit)
}

// Finish is Counters and Release in one visit.
func (s *Stmt) Finish() (n Counters) {
	if !s.inUse {
		return n
	}
	c := s.conn
	var err error
	if c.enter("release") != nil {
		return n
	}
	defer c.leave("release", &err)
	n = s.counters()
	s.inUse = false
	s.release()
	return n
}

// Fetch steps the statement up to limit times and puts the rows in b, in place of what was there. more is false when the statement
// has ended. On an error the rows ahead of it are in b.
func (s *Stmt) Fetch(b *Block, limit int) (more bool, err error) {
	b.Clear()
	c := s.conn
	if err := c.enter("step"); err != nil {
		return false, err
	}
	defer c.leave("step", &err)
	return s.fetch(b, limit)
}

func (s *Stmt) fetch(b *Block, limit int) (more bool, err error) {
	c := s.conn
	first := s.state == stmtReset
	s.state = stmtOpen
	for b.rows < limit && len(b.buf) < blockBytes && len(b.values) < blockCells {
		if !s.raw.Step() {
			err = c.wrap("step", s.raw.Err())
			if s.seen&seenDDL != 0 {
				c.pending |= pendingDDL
				c.store.gen.Add(1)
			}
			c.settle()
			return false, err
		}
		if first {
			// A schema change may have recompiled the statement: SELECT * then has other columns.
			s.cols = int32(s.raw.ColumnCount())
			if s.raw.Status(sqlite3.STMTSTATUS_REPREPARE, false) > 0 {
				s.class = nil // it was learned from the program before
			}
			first = false
		}
		b.take(s.raw, int(s.cols))
	}
	return true, nil
}

// take copies the current row.
func (b *Block) take(raw *sqlite3.Stmt, cols int) {
	b.cols = cols
	start := len(b.values)
	if cap(b.values) < start+cols {
		b.values = slices.Grow(b.values, cols)
	}
	b.values = b.values[:start+cols]
	row := b.values[start:]
	for i := range row {
		// One look at the column for its type and its value: the library is built for one thread, where they are safe to read.
		v, to := raw.ColumnValue(i), &row[i]
		switch v.Type() {
		case sqlite3.INTEGER:
			if to.Bytes != nil { // of a row before; a store of a pointer costs more than a look
				to.Bytes = nil
			}
			to.Type, to.Int = Integer, v.Int64()
		case sqlite3.FLOAT:
			*to = Value{Type: Float, Float: v.Float()}
		case sqlite3.TEXT:
			text := v.RawText()
			if len(text) == 0 {
				text = raw.ColumnRawText(i) // tells when there was no memory for it
			}
			to.Type, to.Bytes = Text, b.keep(text)
		case sqlite3.BLOB:
			*to = Value{Type: Blob, Bytes: b.keep(v.RawBlob())}
		default:
			*to = Value{}
		}
	}
	b.rows++
}

// keep copies p. When the buffer has to grow, what was copied before stays in the old one, which the values keep alive.
func (b *Block) keep(p []byte) []byte {
	start := len(b.buf)
	b.buf = append(b.buf, p...)
	return b.buf[start:len(b.buf):len(b.buf)]
}

// FetchAll steps the statement to its end and keeps all rows.
func (s *Stmt) FetchAll(b *Block) error {
	var one Block
	b.Clear()
	for {
		more, err := s.Fetch(&one, mostRows)
		if err != nil {
			return err
		}
		b.cols = one.cols
		for i := range one.rows {
			for _, v := range one.Row(i) {
				v.Bytes = b.keep(v.Bytes)
				b.values = append(b.values, v)
			}
		}
		b.rows += one.rows
		if !more {
			return nil
		}
	}
}

const mostRows = 256

// Run steps the statement to its end and counts the rows that it returned.
func (s *Stmt) Run() (rows int64, err error) {
	c := s.conn
	if err := c.enter("step"); err != nil {
		return 0, err
	}
	defer c.leave("step", &err)
	s.state = stmtOpen
	for s.raw.Step() {
		rows++
	}
	err = c.wrap("step", s.raw.Err())
	if s.seen&seenDDL != 0 {
		c.pending |= pendingDDL
		c.store.gen.Add(1)
	}
	c.settle()
	return rows, err
}
