package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidegate/engine/core/sqlite"
)

// Diff is everything in which the database, its history and the program's files do not agree.
type Diff struct {
	Schema []Difference // the database against what its history builds
	Files  []FileDiff   // applied migrations against the program's files
	// Unverified says why the schema could not be compared: a Go migration that this program does not have. "" when it was.
	Unverified string
}

// FileDiff is a migration whose file is not what was applied.
type FileDiff struct {
	Component     string
	Version       int
	Applied, File string // SQL of the up section
	AppliedDown   string
	FileDown      string
}

// Diff compares. It takes no lock and writes nothing.
func (m *Migrator) Diff(ctx context.Context) (d Diff, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		v, err := look(conn)
		if err != nil {
			return err
		}
		for _, s := range m.cfg.Sets {
			for _, e := range of(v.entries, s.component) {
				if mig := s.version(e.Version); mig != nil && mig.Checksum != e.Checksum && mig.Squashes == "" {
					d.Files = append(d.Files, FileDiff{s.component, e.Version, e.Up, mig.Up, e.Down, mig.Down})
				}
			}
		}
		if !v.managed {
			return nil
		}
		want, err := m.expected(ctx, v)
		var missing *errNoCode
		if errors.As(err, &missing) {
			d.Unverified = missing.Error()
			return nil
		}
		if err != nil {
			return err
		}
		d.Schema = compareObjects(want, v.objects)
		return nil
	})
	return d, err
}

// Verification is what Verify found.
type Verification struct {
	Diff       Diff
	Conflicts  []*Conflict
	Violations []string // foreign keys that point nowhere, views that do not compile
	Failed     []string // verify queries of applied migrations that return rows now
	Check      string   // of the file: "ok", or the first damage found
}

// OK reports whether nothing was found.
func (v *Verification) OK() bool {
	return len(v.Diff.Schema)+len(v.Diff.Files)+len(v.Conflicts)+len(v.Violations)+len(v.Failed) == 0 && v.Check == "ok"
}

// Verify checks a database that is in use: history, schema, foreign keys, views, verify queries, and the file itself. It reads everything
// once, takes no lock and writes nothing.
func (m *Migrator) Verify(ctx context.Context) (r Verification, err error) {
	if r.Diff, err = m.Diff(ctx); err != nil {
		return r, err
	}
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		v, err := look(conn)
		if err != nil {
			return err
		}
		r.Conflicts = m.compare(v).Conflicts
		tables, err := readTables(conn)
		if err != nil {
			return err
		}
		f, err := findFaults(conn, tables)
		if err != nil {
			return err
		}
		if err := f.added(&faults{}); err != nil {
			r.Violations = append(r.Violations, err.Error())
		}
		for _, s := range m.cfg.Sets {
			for _, e := range of(v.entries, s.component) {
				mig := s.version(e.Version)
				if mig == nil || mig.Checksum != e.Checksum {
					continue
				}
				if err := checkVerify(conn, mig); err != nil {
					r.Failed = append(r.Failed, fmt.Sprintf("%s %04d: %v", s.component, e.Version, err))
				}
			}
		}
		r.Check, err = conn.QueryText("PRAGMA quick_check(1)")
		return err
	})
	return r, err
}
