package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// TableCheck says how it was made sure that a table which must not change did not.
type TableCheck struct {
	Table  string
	Rows   int64
	Method string // "every row", "5000 rows sampled", "row count"
}

// account is what the tables hold at one moment.
type account struct {
	tables map[string]table
	rows   map[string]int64  // by lower-case name; virtual tables that cannot be counted are absent
	first  map[string]string // present name → first name, when a migration began
}

func takeAccount(conn *sqlite.Conn) (*account, error) {
	tables, err := readTables(conn)
	if err != nil {
		return nil, err
	}
	a := &account{tables: tables, rows: make(map[string]int64, len(tables))}
	for key, t := range tables {
		n, err := conn.QueryInt("SELECT count(*) FROM " + quoteName(t.Name))
		if err != nil {
			if t.Virtual && conn.Broken() == nil {
				continue // a virtual table may refuse to be read whole
			}
			return nil, fmt.Errorf("migrate: count the rows of %s: %w", t.Name, err)
		}
		a.rows[key] = n
	}
	return a, nil
}

// Rows counts the rows of every table of the user's, by lower-case name.
func (m *Migrator) Rows(ctx context.Context) (rows map[string]int64, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		a, err := takeAccount(conn)
		if err == nil {
			rows = a.rows
		}
		return err
	})
	return rows, err
}

// named gives the counts under the tables' own names, for the history.
func (a *account) named() map[string]int64 {
	out := make(map[string]int64, len(a.rows))
	for key, n := range a.rows {
		out[a.tables[key].Name] = n
	}
	return out
}

// print is what a table's rows add up to, in any order.
type print struct {
	rows, a, b uint64
	method     string
}

// hasher makes prints. Its seeds are its own, so prints of two hashers cannot be compared.
type hasher struct {
	one, two maphash.Seed
	until    time.Time
}

func newHasher(budget time.Duration) *hasher {
	return &hasher{one: maphash.MakeSeed(), two: maphash.MakeSeed(), until: time.Now().Add(budget)}
}

// rowsPerSecond is a cautious figure for what hashing reads; it decides what is sampled before any time was spent on it.
const rowsPerSecond = 300_000

// samples is how many places of a table are looked at when there is no time for all of it.
const samples = 5000

// plan says how a table of n rows will be hashed: before and after must be hashed alike.
func (h *hasher) plan(t table, n int64) string {
	cost := time.Duration(float64(n) / rowsPerSecond * 2 * float64(time.Second))
	if left := time.Until(h.until); cost <= left {
		h.until = h.until.Add(-cost) // reserved, so that the next table does not count on it
		return everyRow
	}
	if t.NoRowid || t.Virtual {
		return rowCount
	}
	return sampled
}

const (
	everyRow = "every row"
	sampled  = "5000 rows sampled"
	rowCount = "row count"
)

// hash reads columns of a table.
func (h *hasher) hash(ctx context.Context, conn *sqlite.Conn, name string, columns []string, method string) (print, error) {
	p := print{method: method}
	if method == rowCount || len(columns) == 0 {
		n, err := conn.QueryInt("SELECT count(*) FROM " + quoteName(name))
		p.rows, p.method = uint64(n), rowCount
		return p, err
	}
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quoteName(c)
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + quoteName(name)
	var buf []byte
	row := func(v []sqlite.Value) error {
		buf = sqlite.AppendExact(buf[:0], v)
		p.rows++
		p.a += maphash.Bytes(h.one, buf)
		p.b += maphash.Bytes(h.two, buf)
		return nil
	}
	if method == everyRow {
		return p, errors.Join(ownRows(conn, sql, nil, row), context.Cause(ctx))
	}
	low, err := conn.QueryInt("SELECT min(rowid) FROM " + quoteName(name))
	if err != nil {
		return p, err
	}
	high, err := conn.QueryInt("SELECT max(rowid) FROM " + quoteName(name))
	if err != nil {
		return p, err
	}
	step := max(1, (uint64(high)-uint64(low))/samples)
	for i := range uint64(samples) {
		if err := ownRows(conn, sql+" WHERE rowid >= ? ORDER BY rowid LIMIT 1", []any{low + int64(i*step)}, row); err != nil {
			return p, err
		}
	}
	n, err := conn.QueryInt("SELECT count(*) FROM " + quoteName(name))
	p.rows = uint64(n)
	return p, err
}

// kept is a table that must hold the same rows afterwards, and the columns that can be compared.
type kept struct {
	first   string // its name before, lower case
	columns []string
	before  print
}

// guardRows hashes the tables that no pending migration may change. planned is what the replay in memory found out: which
// tables those are and which columns they will still have.
func (h *hasher) guardRows(ctx context.Context, conn *sqlite.Conn, now *account, planned *lineage) ([]kept, error) {
	var out []kept
	for _, first := range slices.Sorted(maps.Keys(now.tables)) {
		t := now.tables[first]
		if planned.free[first] {
			continue
		}
		columns := planned.surviving(first, t.Columns)
		if columns == nil {
			continue // it is dropped, which is checked by itself
		}
		n, counted := now.rows[first]
		if !counted {
			continue
		}
		k := kept{first: first, columns: columns}
		var err error
		if k.before, err = h.hash(ctx, conn, t.Name, columns, h.plan(t, n)); err != nil {
			return nil, fmt.Errorf("migrate: hash the rows of %s: %w", t.Name, err)
		}
		out = append(out, k)
	}
	return out, nil
}

// compareRows hashes again what guardRows hashed and fails at the first difference.
func (h *hasher) compareRows(ctx context.Context, conn *sqlite.Conn, list []kept, t *tracker, now map[string]table) ([]TableCheck, error) {
	var out []TableCheck
	for _, k := range list {
		place := t.place(k.first, now)
		if place == "" {
			return nil, &RowsError{Table: k.first, Why: "the table is gone"}
		}
		columns := make([]string, len(k.columns))
		for i, c := range k.columns {
			columns[i] = c
			if to, ok := t.renames[k.first][strings.ToLower(c)]; ok {
				columns[i] = to
			}
		}
		after, err := h.hash(ctx, conn, now[place].Name, columns, k.before.method)
		if err != nil {
			return nil, fmt.Errorf("migrate: hash the rows of %s: %w", place, err)
		}
		if after != k.before {
			why := fmt.Sprintf("it must hold the same %d rows as before", k.before.rows)
			if after.rows != k.before.rows {
				why = fmt.Sprintf("it had %d rows and has %d", k.before.rows, after.rows)
			}
			return nil, &RowsError{Table: k.first, Why: why + ", and the migration does not say that it changes them"}
		}
		out = append(out, TableCheck{Table: now[place].Name, Rows: int64(after.rows), Method: after.method})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Table < out[j].Table })
	return out, nil
}
