package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/core/sqlite"
)

// A migration's conversions run ahead of its statements, and are taken back after its down script. In the history they stand as
// comments in front of the up section, so that an older program can take them back.
const storedConversion = "-- convert: "

// stored is the up section as the history keeps it.
func (m *Migration) stored() string {
	var b strings.Builder
	for _, d := range m.Convert {
		b.WriteString(storedConversion + d.String() + "\n")
	}
	b.WriteString(m.Up)
	if b.Len() == 0 && m.code == nil {
		return "-- nothing\n"
	}
	return b.String()
}

// storedConversions reads them back.
func storedConversions(up string) (list []*convert.Directive, err error) {
	for {
		line, rest, _ := strings.Cut(up, "\n")
		text, ok := strings.CutPrefix(line, storedConversion)
		if !ok {
			return list, nil
		}
		d, err := convert.Parse(text)
		if err != nil {
			return nil, err
		}
		list, up = append(list, d), rest
	}
}

func (m *Migrator) conversionOptions(mig *Migration) convert.Options {
	return convert.Options{Component: mig.Component, Version: mig.Version, Now: m.clock.Now(), Progress: func(p convert.Progress) {
		m.progress(Progress{Phase: p.Phase, Component: mig.Component, Version: mig.Version, Name: p.Table + "." + p.Column, Rows: p.Done, RowsOf: p.Total})
	}}
}

// convertAll changes the columns that a migration names, and proves every row by round trip.
func (m *Migrator) convertAll(ctx context.Context, conn *sqlite.Conn, mig *Migration, t *tracker) error {
	for _, d := range mig.Convert {
		if err := m.fence(mig, sqlite.Access{Kind: sqlite.AccessAlter, Table: d.Table}); err != nil {
			return err
		}
		conn.SetGuard(sqlite.Guard{Trusted: true})
		result, err := convert.Apply(ctx, conn, d, m.conversionOptions(mig))
		conn.SetGuard(sqlite.Guard{})
		if err != nil {
			return err
		}
		t.convert(d, result)
	}
	return nil
}

// revertAll takes the conversions of an entry back, the last first.
func (m *Migrator) revertAll(ctx context.Context, conn *sqlite.Conn, e Entry) error {
	list, err := storedConversions(e.Up)
	if err != nil {
		return err
	}
	mig := &Migration{Component: e.Component, Version: e.Version, Name: e.Name}
	for i := len(list) - 1; i >= 0; i-- {
		conn.SetGuard(sqlite.Guard{Trusted: true})
		_, err := convert.Revert(ctx, conn, list[i], m.conversionOptions(mig))
		conn.SetGuard(sqlite.Guard{})
		if err != nil {
			return err
		}
	}
	return nil
}

// Converted is what became of one -- convert: line.
type Converted struct {
	Directive string // as the file says it
	convert.Result
}

// analyse reads every row that a pending conversion will meet as it is now, and says what would be lost, of all of them at once. A conversion of a
// table that an earlier pending migration changes meets rows that are not there yet: what it loses is found by the rehearsal, which runs it on a
// copy, or by the run, which is rolled back.
func (m *Migrator) analyse(ctx context.Context, conn *sqlite.Conn, pending []*Migration, planned *lineage) (list []convert.Analysis, err error) {
	tables, err := readTables(conn)
	if err != nil {
		return nil, err
	}
	conn.SetGuard(sqlite.Guard{Trusted: true})
	defer conn.SetGuard(sqlite.Guard{})
	changed := map[string]bool{}
	var refused []error
	for i, mig := range pending {
		var lost []error
		columns := map[string]bool{}
		for _, d := range mig.Convert {
			name := strings.ToLower(d.Table)
			column := name + "." + strings.ToLower(d.Column)
			if _, there := tables[name]; !there || changed[name] || columns[column] {
				continue
			}
			columns[column] = true
			a, err := convert.Analyse(ctx, conn, d, m.conversionOptions(mig))
			if err != nil {
				return nil, &Error{Version: mig.Version, Name: mig.Name, Cause: err}
			}
			list = append(list, a)
			if a.Lossy > 0 && !d.Quarantine {
				lost = append(lost, &convert.LossError{Table: d.Table, Column: d.Column, Lossy: a.Lossy, Rows: a.Rows, First: a.First})
			}
		}
		if lost != nil {
			refused = append(refused, &Error{Version: mig.Version, Name: mig.Name, Cause: fmt.Errorf("before anything was changed: %w", errors.Join(lost...))})
		}
		for _, name := range append(planned.steps[i].Alters, planned.steps[i].Touches...) {
			changed[name] = true
		}
	}
	if len(refused) == 1 {
		return list, refused[0]
	}
	return list, errors.Join(refused...)
}
