package sqldb

import (
	"database/sql"
	"reflect"
	"strings"
	"sync"

	"github.com/tidegate/engine/core/lane"
)

// column is what a result column was declared as.
type column struct {
	name string // of the declared type, in capitals and without lengths
	kind kind
}

// kind says what a declared type makes of a value. Only the first four change one; the others are for the scan type.
type kind uint8

const (
	kindAny     kind = iota
	kindBool         // 0 and 1 are bool
	kindDate         // text is time.Time
	kindInstant      // text and integers are time.Time
	kindInt
	kindReal
	kindText
	kindBlob
)

func readColumn(decl string) column {
	name := strings.ToUpper(strings.TrimSpace(decl))
	if i := strings.IndexByte(name, '('); i >= 0 {
		name = strings.TrimSpace(name[:i])
	}
	c := column{name: name}
	word, _, _ := strings.Cut(name, " ")
	switch {
	case word == "BOOLEAN", word == "BOOL":
		c.kind = kindBool
	case word == "DATE":
		c.kind = kindDate
	case word == "DATETIME", word == "TIMESTAMP", word == "TIMESTAMPTZ":
		c.kind = kindInstant
	case strings.Contains(name, "INT"): // from here on SQLite's own rules of affinity, in their order
		c.kind = kindInt
	case strings.Contains(name, "CHAR"), strings.Contains(name, "CLOB"), strings.Contains(name, "TEXT"):
		c.kind = kindText
	case strings.Contains(name, "BLOB"):
		c.kind = kindBlob
	case strings.Contains(name, "REAL"), strings.Contains(name, "FLOA"), strings.Contains(name, "DOUB"):
		c.kind = kindReal
	}
	return c
}

func (c column) scanType() reflect.Type {
	switch c.kind {
	case kindBool:
		return reflect.TypeFor[sql.NullBool]()
	case kindDate, kindInstant:
		return reflect.TypeFor[sql.NullTime]()
	case kindInt:
		return reflect.TypeFor[sql.NullInt64]()
	case kindReal:
		return reflect.TypeFor[sql.NullFloat64]()
	case kindText:
		return reflect.TypeFor[sql.NullString]()
	case kindBlob:
		return reflect.TypeFor[[]byte]()
	}
	return reflect.TypeFor[any]()
}

// shapes remembers the columns of statements. A statement's list of column names is made anew whenever it is compiled again, so its
// address stands for the compiled statement; as a key it keeps the list alive, and with it the address its own.
type shapes struct {
	mu sync.RWMutex
	m  map[*string][]column
}

// maxShapes bounds shapes: each connection has its own compiled statements, and some were replaced long ago.
const maxShapes = 8192

func (s *shapes) of(cur *lane.Cursor) []column {
	names := cur.Columns()
	if len(names) == 0 {
		return nil
	}
	key := &names[0]
	s.mu.RLock()
	known := s.m[key]
	s.mu.RUnlock()
	if known != nil {
		return known
	}
	decl := cur.DeclTypes()
	out := make([]column, len(names))
	for i := range out {
		if i < len(decl) {
			out[i] = readColumn(decl[i])
		}
	}
	if len(decl) != len(names) {
		return out // the statement has ended, or is another by now: nothing to remember
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= maxShapes {
		s.m = make(map[*string][]column)
	}
	s.m[key] = out
	return out
}
