package migrate

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// ErrDisk matches the error of a run that was not begun because the disk would not hold it.
var ErrDisk = errors.New("migrate: not enough free space on the volume")

// diskNeed is what a run takes of the disk while it lasts.
type diskNeed struct {
	database  int64 // the copy from before
	rewritten int64 // tables that are built anew or changed row by row: they are there twice, and once in the log
	rehearsal int64 // a second copy, for as long as the rehearsal lasts
}

func (n diskNeed) total() int64 { return n.database + 2*n.rewritten + n.rehearsal }

// needOf adds up what a change of the named tables takes.
func (m *Migrator) needOf(conn *sqlite.Conn, tables map[string]table, rewritten map[string]bool, rehearse bool) (need diskNeed, err error) {
	if need.database, err = databaseBytes(conn); err != nil {
		return need, err
	}
	for name := range rewritten {
		t, ok := tables[name]
		if !ok {
			continue
		}
		n, err := tableBytes(conn, t)
		if err != nil {
			return need, err
		}
		need.rewritten += n
	}
	if need.rewritten > need.database {
		need.rewritten = need.database // an estimate is no more than what is there
	}
	if rehearse {
		need.rehearsal = need.database
	}
	return need, nil
}

// checkDisk refuses what would not fit. Copies may have a volume of their own.
func (m *Migrator) checkDisk(need diskNeed) error {
	loc := m.store.Location()
	if loc.Memory {
		return nil
	}
	beside := need
	if m.cfg.Snapshots.Dir != "" {
		if err := fits(m.snapshotDir(), need.database, "the copy from before needs"); err != nil {
			return err
		}
		beside.database = 0
	}
	return fits(filepath.Dir(loc.Path), beside.total(), "the copies and the log need")
}

// fits looks at the volume of a folder, which may be there only when it is needed.
func fits(dir string, need int64, what string) error {
	path := filepath.Join(dir, "file")
	free, known := sqlite.FreeBytes(path)
	for !known && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		free, known = sqlite.FreeBytes(path)
	}
	if known && free < need {
		return fmt.Errorf("%w: %s %d MiB, %d MiB are free at %s; make room and start again", ErrDisk, what, need>>20, free>>20, dir)
	}
	return nil
}

func databaseBytes(conn *sqlite.Conn) (int64, error) {
	pages, err := conn.QueryInt("PRAGMA page_count")
	if err != nil {
		return 0, fmt.Errorf("migrate: size of the database: %w", err)
	}
	size, err := conn.QueryInt("PRAGMA page_size")
	if err != nil {
		return 0, fmt.Errorf("migrate: size of the database: %w", err)
	}
	return pages * size, nil
}

// What a row takes in a page beside its values: its header, its key and its place in the page; and how full pages are.
const (
	rowOverhead = 12
	pageSlack   = 1.2
)

// tableBytes estimates a table with its indexes from the length of its values. SQLite as it is built here has no table of pages to ask; what is
// about to be rewritten may well be read once.
func tableBytes(conn *sqlite.Conn, t table) (int64, error) {
	if t.Virtual {
		return shadowBytes(conn, t)
	}
	rows, lengths, err := columnBytes(conn, t.Name, t.Columns)
	if err != nil {
		return 0, err
	}
	total := rows * rowOverhead
	for _, n := range lengths {
		total += n + rows
	}
	err = ownRows(conn, "SELECT lower(coalesce(x.name, '')) FROM pragma_index_list("+quote(t.Name)+") l, pragma_index_xinfo(l.name) x WHERE x.key", nil, func(v []sqlite.Value) error {
		n, known := lengths[text(v[0])]
		if !known {
			n = 8 * rows // an expression, or the rowid
		}
		total += n + rows*rowOverhead
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("migrate: size of %s: %w", t.Name, err)
	}
	return int64(float64(total) * pageSlack), nil
}

func columnBytes(conn *sqlite.Conn, name string, columns []string) (rows int64, lengths map[string]int64, err error) {
	sql := "SELECT count(*)"
	for _, c := range columns {
		sql += ", coalesce(sum(octet_length(" + quoteName(c) + ")), 0)"
	}
	lengths = map[string]int64{}
	err = ownRows(conn, sql+" FROM "+quoteName(name), nil, func(v []sqlite.Value) error {
		rows = v[0].Int
		for i, c := range columns {
			lengths[strings.ToLower(c)] = v[i+1].Int
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("migrate: size of %s: %w", name, err)
	}
	return rows, lengths, nil
}

// shadowBytes is the size of the tables that a virtual table keeps for itself.
func shadowBytes(conn *sqlite.Conn, t table) (total int64, err error) {
	var shadows []table
	err = ownRows(conn, `SELECT l.name, x.name FROM pragma_table_list l, pragma_table_xinfo(l.name) x
 WHERE l.schema = 'main' AND l.type = 'shadow' AND substr(l.name, 1, ?) = ? AND x.hidden = 0 ORDER BY l.name, x.cid`, []any{len(t.Name) + 1, t.Name + "_"},
		func(v []sqlite.Value) error {
			if n := len(shadows); n == 0 || shadows[n-1].Name != text(v[0]) {
				shadows = append(shadows, table{Name: text(v[0])})
			}
			s := &shadows[len(shadows)-1]
			s.Columns = append(s.Columns, text(v[1]))
			return nil
		})
	for _, s := range shadows {
		if err == nil {
			var n int64
			n, err = tableBytes(conn, s)
			total += n
		}
	}
	if err != nil {
		return 0, fmt.Errorf("migrate: size of %s: %w", t.Name, err)
	}
	return total, nil
}

// rewrites lists the tables, of those given, whose rows a statement reads into another table, changes or drops. It errs towards naming one too many.
func rewrites(sql string, tables map[string]string) (names []string) {
	w := words(sql)
	has := func(word string) bool {
		for _, x := range w {
			if x == word {
				return true
			}
		}
		return false
	}
	switch firstWord(sql) {
	case "INSERT", "REPLACE", "WITH", "UPDATE", "DELETE", "DROP":
	case "CREATE":
		if len(w) < 2 || w[1] != "index" && w[1] != "unique" && !(w[1] == "table" && has("select")) {
			return nil
		}
	case "ALTER":
		if !has("drop") {
			return nil
		}
	default:
		return nil
	}
	for _, x := range w {
		if first, known := tables[x]; known {
			names = append(names, first)
		}
	}
	return names
}
