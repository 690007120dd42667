package sqldb

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"slices"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// What a transaction may have read when it writes for the first time: the writer reads it all again.
const (
	maxReads    = 1000
	maxReadRows = 10_000
)

// readLog is what a transaction has read from its snapshot.
type readLog struct {
	entries []*entry
	open    []*rows // those that may have more to give
}

// entry is one query: its text, and a digest of the rows that it gave.
type entry struct {
	sql   string
	args  []any
	rows  int
	ended bool // the last row was among them
	sum   hash.Hash
	buf   []byte
}

// begin enters a query.
func (l *readLog) begin(sql string, args []any) *entry {
	e := &entry{sql: sql, args: args, sum: sha256.New()}
	if len(l.entries) <= maxReads {
		l.entries = append(l.entries, e)
	}
	l.forget()
	return e
}

// forget drops the rows that were read to their end or closed.
func (l *readLog) forget() {
	l.open = slices.DeleteFunc(l.open, func(r *rows) bool { return r.of == nil || r.of.done })
}

// add takes a row into the digest. Types and lengths are in it, so that no two rows look alike.
func (e *entry) add(row []sqlite.Value) {
	e.rows++
	b := sqlite.AppendExact(binary.LittleEndian.AppendUint32(e.buf[:0], uint32(len(row))), row)
	e.sum.Write(b)
	e.buf = b
}

// count is the number of rows read so far.
func (l *readLog) count() (n int) {
	for _, e := range l.entries {
		n += e.rows
	}
	return n
}

// keep reads the open rows to their end and keeps what is left of them, because their snapshot is about to go.
func (l *readLog) keep() error {
	l.forget()
	for _, r := range l.open {
		if err := r.of.keep(maxReadRows - l.count()); err != nil {
			return err
		}
	}
	if l.count() > maxReadRows || len(l.entries) > maxReads {
		return tooMuchError()
	}
	return nil
}

// keep fetches up to limit rows more, and copies them.
func (r *reading) keep(limit int) error {
	for ; !r.done; limit-- {
		if r.next != nil {
			r.kept = append(r.kept, copyRow(r.next))
			r.next = nil
		}
		if limit < 0 {
			return tooMuchError()
		}
		if ok, err := r.fetch(); err != nil || !ok {
			return err
		}
	}
	return nil
}

func copyRow(row []sqlite.Value) []sqlite.Value {
	out := append([]sqlite.Value(nil), row...)
	for i := range out {
		if out[i].Bytes != nil {
			out[i].Bytes = append([]byte{}, out[i].Bytes...)
		}
	}
	return out
}

// same runs the queries again on the writer and reports whether they give the same rows. The error is one of the transaction itself; a
// query that fails on its own has changed.
func (l *readLog) same(ctx context.Context, w *lane.Tx) (bool, error) {
	for _, e := range l.entries {
		same, err := e.same(ctx, w)
		switch {
		case err == nil && same:
		case w.Err() != nil:
			return false, w.Err()
		case errors.Is(err, lane.ErrLeaseExpired), errors.Is(err, lane.ErrClosed), errors.Is(err, lane.ErrTxDone):
			return false, err
		case context.Cause(ctx) != nil:
			return false, context.Cause(ctx)
		default:
			return false, nil
		}
	}
	return true, nil
}

func (e *entry) same(ctx context.Context, w *lane.Tx) (bool, error) {
	cur, err := w.Open(ctx, e.sql, e.args)
	if err != nil {
		return false, err
	}
	defer cur.Close()
	now := entry{sum: sha256.New()}
	for now.rows < e.rows {
		ok, err := cur.Next(ctx)
		if err != nil || !ok {
			return false, err
		}
		now.add(cur.Row())
	}
	if e.ended {
		if more, err := cur.Next(ctx); err != nil || more {
			return false, err
		}
	}
	return string(now.sum.Sum(nil)) == string(e.sum.Sum(nil)), nil
}
