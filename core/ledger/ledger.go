package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// table holds an entry per keyed call that was committed. It is made by the first of them.
const table = "_tg_ledger"

const (
	createTable = `CREATE TABLE IF NOT EXISTS ` + table + ` (
  key         TEXT    NOT NULL PRIMARY KEY,
  fingerprint BLOB    NOT NULL,             -- SHA-256 of the call
  result      BLOB    NOT NULL,             -- what its statements did
  at_ns       INTEGER NOT NULL              -- when it was applied
) STRICT, WITHOUT ROWID`
	createIndex = `CREATE INDEX IF NOT EXISTS _tg_ledger_at ON ` + table + ` (at_ns)`
	findEntry   = `SELECT fingerprint, result, at_ns FROM ` + table + ` WHERE key = ?`
	addEntry    = `INSERT INTO ` + table + ` (key, fingerprint, result, at_ns) VALUES (?, ?, ?, ?)`
)

// Call is one call with a key. It belongs to one call and its runs; make a new one for each.
type Call struct {
	Key   string
	Print Fingerprint
	Now   func() time.Time
}

// Earlier is what an earlier call with the same key did.
type Earlier struct {
	Steps []Step
	When  time.Time
}

// Look reads, inside the transaction, what an earlier call with the key did; nil when there was none. The table is made where it is missing.
//
// # Errors
//
// *ReusedError when the earlier call was another one.
func (c *Call) Look(ctx context.Context, tx *lane.Tx) (*Earlier, error) {
	e, err := c.find(ctx, tx)
	if isMissing(err) {
		for _, sql := range []string{createTable, createIndex} {
			if _, err := tx.ExecOwn(ctx, sql, nil); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	return e, err
}

func (c *Call) find(ctx context.Context, tx *lane.Tx) (*Earlier, error) {
	cur, err := tx.Open(ctx, findEntry, []any{c.Key})
	if err != nil {
		return nil, err
	}
	defer cur.Finish()
	ok, err := cur.Next(ctx)
	if err != nil || !ok {
		return nil, err
	}
	row := cur.Row()
	when := time.Unix(0, row[2].Int)
	if Fingerprint(row[0].Bytes) != c.Print {
		return nil, &ReusedError{Key: c.Key, When: when}
	}
	steps, err := Decode(row[1].Bytes)
	if err != nil {
		return nil, err
	}
	return &Earlier{Steps: steps, When: when}, nil
}

// isMissing reports whether the table is not there yet.
func isMissing(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Class == sqlite.SQL && strings.Contains(e.Msg, "no such table: "+table)
}

// Record writes the entry as the last part of the transaction.
//
// # Errors
//
// *TooBigError when the results are larger than MaxResult: the transaction must not be committed then.
func (c *Call) Record(ctx context.Context, tx *lane.Tx, steps []Step) error {
	result, err := Encode(steps)
	if err != nil {
		return err
	}
	_, err = tx.ExecOwn(ctx, addEntry, []any{c.Key, c.Print[:], result, c.Now().UnixNano()})
	return err
}

// Committed reports, on any connection, whether the call was committed: it is its transaction's proof.
func (c *Call) Committed(conn *sqlite.Conn) (bool, error) {
	s, err := conn.Prepare(findEntry)
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer s.Release()
	if err := s.Bind([]any{c.Key}); err != nil {
		return false, err
	}
	ok, err := s.Step()
	if err != nil || !ok {
		return false, err
	}
	var row sqlite.Row
	if err := s.Row(&row); err != nil {
		return false, err
	}
	return Fingerprint(row.Values[0].Bytes) == c.Print, nil
}
