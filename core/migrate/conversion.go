package migrate

import (
	"context"
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
		_, err := convert.Apply(ctx, conn, d, m.conversionOptions(mig))
		conn.SetGuard(sqlite.Guard{})
		if err != nil {
			return err
		}
		t.convert(d)
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

// analyse says what the conversions of the first pending migration would lose. Later ones meet a schema that is not there yet; they
// find out while they run, which costs time but no data.
func (m *Migrator) analyse(ctx context.Context, conn *sqlite.Conn, pending []*Migration) (list []convert.Analysis, err error) {
	if len(pending) == 0 {
		return nil, nil
	}
	first := pending[0]
	conn.SetGuard(sqlite.Guard{Trusted: true})
	defer conn.SetGuard(sqlite.Guard{})
	for _, d := range first.Convert {
		a, err := convert.Analyse(ctx, conn, d, m.conversionOptions(first))
		if err != nil {
			return nil, &Error{Version: first.Version, Name: first.Name, Cause: err}
		}
		list = append(list, a)
		if a.Lossy > 0 && !d.Quarantine {
			err := &convert.LossError{Table: d.Table, Column: d.Column, Lossy: a.Lossy, Rows: a.Rows, First: a.First}
			return list, &Error{Version: first.Version, Name: first.Name, Cause: fmt.Errorf("before anything was changed: %w", err)}
		}
	}
	return list, nil
}
