package bulk

import (
	"bytes"
	"context"
	"strconv"
)

// row is a row that waits to be written.
type row struct {
	plan   *plan
	args   []any
	line   int64
	after  Place
	raw    []byte // for the file of rejects
	bad    string // why it is refused; "" until it is
	column string
	size   int64
}

// batch is a run of rows.
type batch []row

// A batch ends with the first of these; a few of them wait for the writer.
const (
	batchRows    = 256
	batchBytes   = 1 << 20
	batchesAhead = 4
)

// intake reads and converts ahead of the writer, on a goroutine of its own.
type intake struct {
	dec     Decoder
	planner *planner
	out     chan batch
	keepRaw bool
	err     error // why it ended, io.EOF at the end of the file; set before out is closed
}

func (in *intake) run(ctx context.Context) {
	defer close(in.out)
	var rec Record
	for in.err == nil {
		rows := in.batch(&rec)
		if len(rows) == 0 {
			continue
		}
		select {
		case in.out <- rows:
		case <-ctx.Done():
			in.err = context.Cause(ctx)
		}
	}
}

func (in *intake) batch(rec *Record) batch {
	columns := in.dec.Columns()
	rows := make(batch, 0, batchRows)
	var room []any // of many rows: one array for each of them would be most of the garbage
	size := int64(0)
	for len(rows) < batchRows && size < batchBytes {
		before := rec.After.Offset
		if in.err = in.dec.Next(rec); in.err != nil {
			return rows
		}
		if need := len(rec.Cells); len(room) < need {
			room = make([]any, max(need, need*(batchRows-len(rows))))
		}
		r := in.planner.row(rec, columns, room[:0:len(rec.Cells)])
		room = room[len(r.args):]
		if in.keepRaw && rec.Raw != nil {
			r.raw = bytes.Clone(rec.Raw)
		}
		if in.keepRaw && rec.Raw == nil && r.bad != "" {
			r.raw = cellsJSON(rec, columns)
		}
		r.size = weight(rec, rec.After.Offset-before)
		size += r.size
		rows = append(rows, r)
	}
	return rows
}

// weight is about how much memory a row takes.
func weight(rec *Record, text int64) int64 {
	n := int64(64 + 32*len(rec.Cells))
	if rec.Raw != nil {
		return n + 2*max(0, text)
	}
	for i := range rec.Cells {
		n += int64(len(rec.Cells[i].Bytes))
	}
	return n
}

// cellsJSON writes down a record of a format that is no text.
func cellsJSON(rec *Record, columns []string) []byte {
	names := rec.Names
	if columns != nil {
		names = columns
	}
	out := []byte{'{'}
	for i := range rec.Cells {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, []byte(names[i])), ':')
		switch c := &rec.Cells[i]; c.Kind {
		case CellInteger, CellBool:
			out = strconv.AppendInt(out, c.Int, 10)
		case CellReal:
			out = appendJSONReal(out, c.Float)
		case CellNumber:
			out = append(out, c.Bytes...)
		case CellBare, CellText:
			out = appendText(out, c.Bytes)
		case CellBlob:
			out = appendBlob(out, c.Bytes)
		default:
			out = append(out, "null"...)
		}
	}
	return append(out, '}')
}

// backlog holds what was read and not yet written.
type backlog struct {
	from <-chan batch
	rows []row
	at   int // of the first one that waits
	size int64
	over bool
}

// Rows wait up to these bounds, so that a transaction never waits for the file.
const (
	backlogRows  = 4096
	backlogBytes = 4 << 20
)

// waiting are the rows to write next.
func (b *backlog) waiting() []row { return b.rows[b.at:] }

// fill waits until there is a row, and takes what else is ready. It is false when there will be none.
func (b *backlog) fill(ctx context.Context) (bool, error) {
	if b.at == len(b.rows) {
		b.rows, b.at = b.rows[:0], 0
	}
	for !b.over && len(b.rows)-b.at < backlogRows && b.size < backlogBytes {
		if len(b.rows) > b.at {
			select {
			case rows, ok := <-b.from:
				b.take(rows, ok)
				continue
			default:
			}
			break
		}
		select {
		case rows, ok := <-b.from:
			b.take(rows, ok)
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return len(b.rows) > b.at, nil
}

func (b *backlog) take(rows batch, ok bool) {
	b.over = !ok
	if b.at > backlogRows {
		n := copy(b.rows, b.rows[b.at:])
		clear(b.rows[n:])
		b.rows, b.at = b.rows[:n], 0
	}
	for i := range rows {
		b.size += rows[i].size
	}
	b.rows = append(b.rows, rows...)
}

// drop forgets the first n rows.
func (b *backlog) drop(n int) {
	for i := range n {
		b.size -= b.rows[b.at+i].size
		b.rows[b.at+i] = row{}
	}
	b.at += n
}
