package convert

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sqltext"
)

// QuarantineTable holds what a conversion could not carry over, and what Revert needs to bring every byte back: kind loss is a value that was
// replaced, null a NULL that was, spelling the former bytes of a value that is carried over, definition the former text of the table. old keeps
// the storage class.
const QuarantineTable = "_tg_quarantine"

// CreateQuarantine makes the table where it is missing.
const CreateQuarantine = `CREATE TABLE IF NOT EXISTS ` + QuarantineTable + ` (
  component TEXT    NOT NULL,
  version   INTEGER NOT NULL,
  tbl       TEXT    NOT NULL,
  col       TEXT    NOT NULL,
  row_key   ANY     NOT NULL,
  kind      TEXT    NOT NULL CHECK (kind IN ('loss', 'null', 'spelling', 'definition')),
  old       ANY,
  new       ANY,
  reason    TEXT    NOT NULL,
  at_ns     INTEGER NOT NULL,
  PRIMARY KEY (component, version, tbl, col, row_key)
) STRICT, WITHOUT ROWID`

// shelf is the part of the table that belongs to one conversion.
type shelf struct {
	conn  Conn
	where []any // component, version, table, column
	at    time.Time
	put   *sqlite.Stmt
	get   *sqlite.Stmt
	row   sqlite.Row
	count int64 // rows put, the definition left out
}

func openShelf(c Conn, d *Directive, opt Options) (*shelf, error) {
	if err := c.Exec(CreateQuarantine); err != nil {
		return nil, fmt.Errorf("convert: make %s: %w", QuarantineTable, err)
	}
	s := &shelf{conn: c, where: []any{opt.Component, opt.Version, strings.ToLower(d.Table), strings.ToLower(d.Column)}, at: opt.Now}
	var err error
	if s.put, err = c.Prepare("INSERT INTO " + QuarantineTable + " (component, version, tbl, col, row_key, kind, old, new, reason, at_ns) VALUES (?,?,?,?,?,?,?,?,?,?)"); err != nil {
		return nil, fmt.Errorf("convert: write %s: %w", QuarantineTable, err)
	}
	if s.get, err = c.Prepare("SELECT old, new FROM " + QuarantineTable + " WHERE component = ? AND version = ? AND tbl = ? AND col = ? AND row_key = ?"); err != nil {
		s.put.Release()
		return nil, fmt.Errorf("convert: read %s: %w", QuarantineTable, err)
	}
	return s, nil
}

func (s *shelf) close() {
	s.put.Release()
	s.get.Release()
}

func (s *shelf) keep(key sqlite.Value, v verdict, old, now sqlite.Value, reason string) error {
	s.count++
	return s.write(key, v.String(), old, now, reason)
}

func (s *shelf) write(key sqlite.Value, kind string, old, now sqlite.Value, reason string) error {
	args := append(append([]any{}, s.where...), key, kind, old, now, reason, s.at.UnixNano())
	if err := run(s.put, args); err != nil {
		return fmt.Errorf("convert: keep a former value: %w", err)
	}
	return nil
}

// definitionKey is the key of the row that keeps the former text of the table. No key of a row is an empty text.
func definitionKey() sqlite.Value { return textValue("") }

// find returns what is kept for a row. The values are valid until the next find.
func (s *shelf) find(key sqlite.Value) (old, now sqlite.Value, found bool, err error) {
	if err = s.get.Bind(append(append([]any{}, s.where...), key)); err == nil {
		if found, err = s.get.Step(); err == nil && found {
			err = s.get.Row(&s.row)
		}
	}
	if e := s.get.Reset(); err == nil {
		err = e
	}
	if err != nil || !found {
		return old, now, false, err
	}
	return s.row.Values[0], s.row.Values[1], true, nil
}

// size returns how many rows are kept, the definition included.
func (s *shelf) size() (int64, error) {
	return s.conn.QueryInt("SELECT count(*) FROM " + QuarantineTable + s.condition())
}

func (s *shelf) clear() error { return s.conn.Exec("DELETE FROM " + QuarantineTable + s.condition()) }

func (s *shelf) condition() string {
	return fmt.Sprintf(" WHERE component = %s AND version = %d AND tbl = %s AND col = %s",
		sqltext.QuoteText(s.where[0].(string)), s.where[1].(int), sqltext.QuoteText(s.where[2].(string)), sqltext.QuoteText(s.where[3].(string)))
}

// run executes a statement that returns no row.
func run(s *sqlite.Stmt, args []any) error {
	err := s.Bind(args)
	if err == nil {
		_, err = s.Step()
	}
	if e := s.Reset(); err == nil {
		err = e
	}
	return err
}

// keyOf names a row of t by its rowid, or by its primary key where it has none: values are those of the stored columns.
func (t *table) keyOf(rowid sqlite.Value, values []sqlite.Value) sqlite.Value {
	if !t.without {
		if t.alias == "" {
			return rowid
		}
		for i, name := range t.stored() {
			if name == t.alias {
				return values[i]
			}
		}
	}
	var parts []string
	i := 0
	for _, c := range t.columns {
		if c.Hidden != 0 {
			continue
		}
		if c.Key > 0 {
			parts = append(parts, keyPart(values[i]))
		}
		i++
	}
	return textValue(strings.Join(parts, ","))
}

// keyPart writes a value so that different ones differ, storage class included.
func keyPart(v sqlite.Value) string {
	switch v.Type {
	case sqlite.Integer:
		return strconv.FormatInt(v.Int, 10)
	case sqlite.Float:
		return strconv.FormatFloat(v.Float, 'x', -1, 64)
	case sqlite.Text:
		return sqltext.QuoteText(string(v.Bytes))
	case sqlite.Blob:
		return "x'" + hex.EncodeToString(v.Bytes) + "'"
	}
	return "NULL"
}

// show is a key for people.
func show(key sqlite.Value) string {
	if key.Type == sqlite.Text {
		return string(key.Bytes)
	}
	return keyPart(key)
}
