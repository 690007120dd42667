package lane

import (
	"context"

	"github.com/tidegate/engine/core/sqlite"
)

// Cursor reads the rows of one statement. Each row is copied out, so that between two calls nothing points into the
// connection, which may be taken away. Not safe for concurrent use.
type Cursor struct {
	tx       *Tx     // one of tx and rd is set
	rd       *Reader //
	own      bool    // closing the cursor closes the reader too
	stmt     *sqlite.Stmt
	row      sqlite.Row
	buffer   []sqlite.Row // all rows, of a statement that writes
	buffered bool
	columns  []string
	decl     []string
	rows     int64
	counters sqlite.Counters
	result   Result
	closed   bool
	err      error
}

// Columns are the names of the result's columns.
func (c *Cursor) Columns() []string { return c.columns }

// DeclTypes are the declared types of the columns, "" for expressions; nil once the statement has ended.
func (c *Cursor) DeclTypes() []string {
	if c.decl == nil && c.stmt != nil && !c.closed {
		if c.tx != nil {
			if c.tx.enter() == nil {
				c.decl = c.stmt.DeclTypes()
				_ = c.tx.exit(nil) // what it says, the next call says too
			}
		} else {
			c.rd.mu.Lock()
			if c.rd.ended == nil && c.rd.conn != nil {
				c.decl = c.stmt.DeclTypes()
			}
			c.rd.mu.Unlock()
		}
	}
	return c.decl
}

// Row is the current row. Its bytes are valid until the next call of Next.
func (c *Cursor) Row() *sqlite.Row { return &c.row }

// Rows counts the rows that were read.
func (c *Cursor) Rows() int64 { return c.rows }

// Result tells what the statement did, once it has ended.
func (c *Cursor) Result() Result {
	r := c.result
	r.Rows, r.Counters = c.rows, c.counters
	return r
}

// Next steps to the next row; false at the end and after an error.
func (c *Cursor) Next(ctx context.Context) (bool, error) {
	if c.closed {
		return false, c.err
	}
	var row bool
	var err error
	switch {
	case c.buffered:
		if row = int(c.rows) < len(c.buffer); row {
			c.row = c.buffer[c.rows]
		}
	case c.tx != nil:
		row, err = c.nextTx(ctx)
	default:
		row, err = c.rd.next(ctx, c)
	}
	if row {
		c.rows++
		return true, nil
	}
	c.err = err
	c.Close()
	return false, err
}

// begun looks at the columns again when the first row is there: a change of the schema may have recompiled the statement,
// and SELECT * has other columns then than when it was prepared.
func (c *Cursor) begun() {
	if c.rows == 0 {
		c.columns = c.stmt.Class().Columns
	}
}

func (c *Cursor) nextTx(ctx context.Context) (bool, error) {
	t := c.tx
	if err := t.enter(); err != nil {
		return false, err
	}
	if t.dead != nil {
		return false, t.exit(t.dead)
	}
	t.conn.SetContext(ctx)
	defer t.conn.SetContext(nil)
	row, err := c.stmt.Step()
	if err != nil {
		return false, t.exit(t.failed(ctx, c.stmt.Class(), err))
	}
	if row {
		c.begun()
		if err = c.stmt.Row(&c.row); err != nil {
			return false, t.exit(t.failed(ctx, c.stmt.Class(), err))
		}
		return true, t.exit(nil)
	}
	return false, t.exit(nil)
}

// Close ends the statement. It is safe to call again.
func (c *Cursor) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.buffered {
		return nil
	}
	if c.rd != nil {
		c.rd.closeCursor(c)
		return nil
	}
	if c.tx.enter() != nil {
		return nil // the transaction is over and has reset the statement
	}
	c.counters = c.stmt.Counters()
	c.stmt.Release()
	c.tx.cursors--
	return c.tx.exit(nil)
}
