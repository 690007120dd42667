package migrate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// faults are what can be wrong with a database without anybody noticing: only those that a migration adds count against it.
type faults struct {
	keys  map[string]int64 // rows whose foreign key points nowhere, by child and parent
	views map[string]bool  // views that do not compile
}

func findFaults(conn *sqlite.Conn, tables map[string]table) (*faults, error) {
	f := &faults{keys: map[string]int64{}, views: map[string]bool{}}
	for _, key := range slices.Sorted(maps.Keys(tables)) {
		t := tables[key]
		if t.Virtual {
			continue
		}
		err := ownRows(conn, "SELECT parent, count(*) FROM pragma_foreign_key_check("+quote(t.Name)+") GROUP BY parent", nil, func(v []sqlite.Value) error {
			f.keys[key+" → "+strings.ToLower(text(v[0]))] = v[1].Int
			return nil
		})
		if err != nil {
			if conn.Broken() != nil || sqlite.ClassOf(err) != sqlite.SQL {
				return nil, fmt.Errorf("migrate: check foreign keys: %w", err)
			}
			f.keys[key+": "+err.Error()] = 1 // a key that cannot work at all, such as one to a column that is not unique
		}
		err = ownRows(conn, `SELECT "table" FROM pragma_foreign_key_list(`+quote(t.Name)+") k WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema s WHERE s.type = 'table' AND s.name = k.\"table\" COLLATE NOCASE)", nil,
			func(v []sqlite.Value) error {
				f.keys[key+" → "+strings.ToLower(text(v[0]))+", which does not exist"]++
				return nil
			})
		if err != nil {
			return nil, fmt.Errorf("migrate: check foreign keys: %w", err)
		}
	}
	return f, f.findViews(conn)
}

func (f *faults) findViews(conn *sqlite.Conn) error {
	var views []string
	err := ownRows(conn, "SELECT name FROM sqlite_schema WHERE type = 'view'", nil, func(v []sqlite.Value) error { views = append(views, text(v[0])); return nil })
	if err != nil {
		return fmt.Errorf("migrate: check the views: %w", err)
	}
	for _, name := range views {
		s, err := conn.Prepare("SELECT * FROM " + quoteName(name))
		if err != nil {
			if conn.Broken() != nil {
				return err
			}
			f.views[strings.ToLower(name)] = true
			continue
		}
		s.Release()
	}
	return nil
}

// added says what is wrong now that was not before.
func (f *faults) added(before *faults) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(f.keys)) {
		if n := f.keys[key] - before.keys[key]; n > 0 {
			errs = append(errs, fmt.Errorf("%d foreign keys point nowhere that did not before (%s)", n, key))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.views)) {
		if !before.views[name] {
			errs = append(errs, fmt.Errorf("view %s does not work any more", name))
		}
	}
	return errors.Join(errs...)
}

// checkVerify runs the verify queries of a migration.
func checkVerify(conn *sqlite.Conn, mig *Migration) error {
	for i, q := range mig.Verify {
		found, err := conn.QueryInt("SELECT EXISTS (" + q + "\n)")
		if err != nil {
			return err
		}
		if found != 0 {
			return fmt.Errorf("verify query %d returned a row, and any row is a failure", i+1)
		}
	}
	return nil
}
