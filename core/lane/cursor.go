package lane

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// Cursor reads the rows of one statement. Rows are copied out in blocks, so that between two calls nothing points into the
// connection, which may be taken away. Not safe for concurrent use.
type Cursor struct {
	tx       *Tx     // one of tx and rd is set
	rd       *Reader //
	own      bool    // closing the cursor closes the reader too
	stmt     *sqlite.Stmt
	block    sqlite.Block
	at       int  // of the current row in the block; -1 before the first
	more     bool // the statement has not ended
	want     int  // rows of the next block
	columns  []string
	decl     []string
	rows     int64
	counters sqlite.Counters
	result   Result
	closed   bool
	err      error
}

// A block starts with one row, because most queries want one, and grows for those who read on.
const (
	firstBlock = 1
	nextBlock  = 16
	mostBlock  = 512
)

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

// Queued is how long the statement waited for its connection.
func (c *Cursor) Queued() time.Duration {
	if c.rd == nil {
		return 0
	}
	return c.rd.queued
}

// Row is the current row. It is valid until the next call of Next.
func (c *Cursor) Row() []sqlite.Value { return c.block.Row(c.at) }

// Result tells what the statement did, once it has ended.
func (c *Cursor) Result() Result {
	r := c.result
	r.Rows, r.Counters = c.rows, c.counters
	return r
}

// Finish is Close and Result in one. The cursor must not be used afterwards: its memory may belong to another query.
func (c *Cursor) Finish() Result {
	_ = c.Close() // what went wrong was told by Next
	res := c.Result()
	if c.own && c.rd != nil {
		c.rd.recycle()
	}
	return res
}

// Next steps to the next row; false at the end and after an error.
func (c *Cursor) Next(ctx context.Context) (bool, error) {
	if c.at+1 >= c.block.Len() && c.more && !c.closed {
		c.at = -1
		c.block.Clear() // a fetch that fails early leaves it as it was
		if c.tx != nil {
			c.more, c.err = c.fetch(ctx)
		} else {
			c.more, c.err = c.rd.fetch(ctx, c)
		}
	}
	if c.at+1 < c.block.Len() && !c.closed {
		c.at++
		c.rows++
		return true, nil
	}
	err := c.err
	_ = c.Close() // the error that matters is the statement's
	return false, err
}

// size is the number of rows to ask for now.
func (c *Cursor) size() int {
	n := c.want
	c.want = min(max(nextBlock, 2*n), mostBlock)
	return n
}

// fetch reads the next block inside a write transaction.
func (c *Cursor) fetch(ctx context.Context) (bool, error) {
	t := c.tx
	if err := t.enter(); err != nil {
		return false, err
	}
	if t.dead != nil {
		return false, t.exit(t.dead)
	}
	t.conn.SetContext(ctx)
	defer t.conn.SetContext(nil)
	more, err := c.stmt.Fetch(&c.block, c.size())
	if err != nil {
		err = t.failed(ctx, c.stmt.Class(), err)
	}
	c.begun()
	return more, t.exit(err)
}

// begun looks at the columns again when the first row is there: a change of the schema may have recompiled the statement,
// and SELECT * has other columns then than when it was prepared.
func (c *Cursor) begun() {
	if c.rows == 0 && c.block.Len() > 0 {
		c.columns = c.stmt.Class().Columns
	}
}

// Close ends the statement. It is safe to call again.
func (c *Cursor) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	switch {
	case c.stmt == nil: // a statement that writes has been run to its end
		return nil
	case c.rd != nil:
		c.rd.closeCursor(c)
		return nil
	}
	if c.tx.enter() != nil {
		return nil // the transaction is over and has reset the statement
	}
	c.counters = c.stmt.Finish()
	c.tx.cursors--
	return c.tx.exit(nil)
}
