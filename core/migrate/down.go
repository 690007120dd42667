package migrate

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// DownOptions says how far to go back.
type DownOptions struct {
	To            int    // version that stays; 0 takes everything back
	Component     string // "" means the main schema
	AllowDataLoss bool   // drop tables and columns that hold data
}

// Loss is data that going back would drop.
type Loss struct {
	Table  string
	Column string // "" where whole rows go
	Rows   int64  // rows, or values that are not NULL
}

// String says what would be lost.
func (l Loss) String() string {
	if l.Column == "" {
		return fmt.Sprintf("%d rows of %s", l.Rows, l.Table)
	}
	return fmt.Sprintf("%d values of %s.%s", l.Rows, l.Table, l.Column)
}

// DataLossError says that nothing was taken back because data would have been dropped.
type DataLossError struct{ Losses []Loss }

func (e *DataLossError) Error() string {
	parts := make([]string, len(e.Losses))
	for i, l := range e.Losses {
		parts[i] = l.String()
	}
	return "migrate: going back would drop " + strings.Join(parts, ", ") + "; nothing was changed; repeat it with --allow-data-loss if that is meant (a snapshot is kept)"
}

// Down takes migrations back with the scripts that are stored in the database, so that a program that never heard of them can do it.
// It takes the same steps as Up: lock, snapshot, one transaction, verification, probes.
//
// # Errors
//
// [*DataLossError]; [*Error] for a script that failed or did not bring the schema back; [*ConflictError] for a broken or drifted history,
// and where a plug-in needs what would go; [*ProbeError].
func (m *Migrator) Down(ctx context.Context, opt DownOptions) (rep Report, err error) {
	start := time.Now()
	if opt.Component == "" {
		opt.Component = Component
	}
	ctx, end := m.startRun(ctx, "down")
	defer func() { rep.Duration = time.Since(start); m.ended("down", &rep, err); end(err) }()
	st, err := m.Status(ctx)
	if err == nil {
		err = m.mayChange("down")
	}
	if err != nil {
		return rep, err
	}
	if st.Unsettled != nil {
		if err := m.settle(ctx, *st.Unsettled); err != nil {
			return rep, err
		}
	}
	run, err := m.locked(ctx, "down", func(b *batch) error { return b.down(opt, &rep) })
	if errors.Is(err, errNothing) {
		return rep, nil
	}
	if err != nil {
		return rep, err
	}
	rep.Run, rep.Snapshot, rep.From, rep.To = run.ID, run.Snapshot, run.From, run.To
	m.prune()
	return rep, m.settle(ctx, run)
}

// standing are the conflicts that going back cannot resolve.
func standing(list []*Conflict) []*Conflict {
	var out []*Conflict
	for _, c := range list {
		switch c.Code {
		case Unmanaged, Drifted, BadHistory, ProbeFailed:
			out = append(out, c)
		}
	}
	return out
}

func (b *batch) down(opt DownOptions, rep *Report) error {
	conn := b.conn
	locked := time.Now()
	defer func() { rep.Locked = time.Since(locked) }()
	rep.From, rep.To = b.status.Current, b.status.Current
	if err := conflicts(standing(b.status.Conflicts)); err != nil {
		return err
	}
	entries := of(b.view.entries, opt.Component)
	var back []Entry
	for i := len(entries) - 1; i >= 0 && entries[i].Version > opt.To && entries[i].Version > 0; i-- {
		back = append(back, entries[i])
	}
	if len(back) == 0 {
		return errNothing
	}
	stay := entries[:len(entries)-len(back)]
	if err := b.neededBy(opt); err != nil {
		return err
	}
	before, err := takeAccount(conn)
	if err != nil {
		return err
	}
	wrong, err := findFaults(conn, before.tables)
	if err != nil {
		return err
	}
	guards, err := liftGuards(conn)
	if err != nil {
		return err
	}
	if err := b.roomForDown(back, before.tables); err != nil {
		return err
	}
	if err := b.snapshot(); err != nil {
		return err
	}
	if err := createTables(conn); err != nil {
		return err
	}
	t := newTracker(before.tables)
	held := columnsHeld{conn: conn, tables: before.tables}
	for _, e := range back {
		if err := b.takeBack(e, t, &held, rep); err != nil {
			return err
		}
	}
	last := back[len(back)-1]
	fail := func(err error) error { return &Error{Version: last.Version, Name: last.Name, Cause: err} }
	after, err := takeAccount(conn)
	if err != nil {
		return err
	}
	if losses := held.losses(before, after, t); len(losses) > 0 && !opt.AllowDataLoss {
		return &DataLossError{losses}
	}
	now, err := findFaults(conn, after.tables)
	if err != nil {
		return err
	}
	if err := now.added(wrong); err != nil {
		return fail(err)
	}
	if err := putGuards(conn, guards, t, after.tables); err != nil {
		return err
	}
	if err := b.schemaOfThen(opt, stay, back); err != nil {
		return fail(err)
	}
	if opt.Component == Component {
		b.run.To = opt.To
		if len(stay) > 0 {
			b.run.To = stay[len(stay)-1].Version
		}
	}
	return b.record()
}

// roomForDown refuses what the disk would not hold.
func (b *batch) roomForDown(back []Entry, tables map[string]table) error {
	names := make(map[string]string, len(tables))
	for name := range tables {
		names[name] = name
	}
	rewritten := map[string]bool{}
	for _, e := range back {
		for _, stmt := range splitQueries(e.Down) {
			for _, name := range rewrites(stmt, names) {
				rewritten[name] = true
			}
		}
		conversions, err := storedConversions(e.Up)
		if err != nil {
			return err
		}
		for _, d := range conversions {
			rewritten[strings.ToLower(d.Table)] = true
		}
	}
	need, err := b.m.needOf(b.conn, tables, rewritten, false)
	if err != nil {
		return err
	}
	return b.m.checkDisk(need)
}

// neededBy refuses to take away what a plug-in builds on.
func (b *batch) neededBy(opt DownOptions) error {
	if opt.Component != Component {
		return nil
	}
	for _, s := range b.m.cfg.Sets {
		for _, mig := range s.list {
			if mig.Needs <= opt.To || s.component == Component {
				continue
			}
			for _, e := range of(b.view.entries, s.component) {
				if e.Version == mig.Version {
					return conflicts([]*Conflict{{Code: WrongOrder, Component: s.component, Version: mig.Version,
						Detail: fmt.Sprintf("it builds on version %04d of the main schema", mig.Needs),
						Remedy: "take the plug-in back first", Command: downTo(mig.Version-1, s.component)}})
				}
			}
		}
	}
	return nil
}

// takeBack runs the stored script of one entry.
func (b *batch) takeBack(e Entry, t *tracker, held *columnsHeld, rep *Report) (err error) {
	m := b.m
	mig := &Migration{Component: e.Component, Version: e.Version, Name: e.Name, Down: e.Down}
	ctx, end := m.startMigration(b.ctx, mig)
	defer func() { end(err) }()
	at, n := time.Now(), 0
	fail := func(err error) error { return &Error{Version: e.Version, Name: e.Name, Statement: n, Cause: err} }
	each := func(stmt string) error {
		n++
		m.progress(Progress{Phase: "apply", Component: e.Component, Version: e.Version, Name: e.Name, Statement: n})
		if err := held.statement(stmt); err != nil {
			return err
		}
		return m.interrupted(mig, n)
	}
	if e.Up == "" {
		err = b.takeBackCode(ctx, e, t, each)
	} else {
		err = m.execute(ctx, b.conn, mig, e.Down, t, each)
	}
	if err != nil {
		return fail(err)
	}
	if err := m.revertAll(ctx, b.conn, e); err != nil {
		return fail(err)
	}
	if err := own(b.conn, "DELETE FROM _tg_migration WHERE component = ? AND version = ?", e.Component, e.Version); err != nil {
		return fmt.Errorf("migrate: write the history: %w", err)
	}
	if err := own(b.conn, "DELETE FROM _tg_background WHERE component = ? AND version = ?", e.Component, e.Version); err != nil {
		return fmt.Errorf("migrate: write the history: %w", err)
	}
	rep.TakenBack = append(rep.TakenBack, Applied{Component: e.Component, Version: e.Version, Name: e.Name, Statements: n, Duration: time.Since(at)})
	return nil
}

// takeBackCode runs the Down of a Go migration, which only a program that has it can do.
func (b *batch) takeBackCode(ctx context.Context, e Entry, t *tracker, each func(string) error) error {
	s := b.m.set(e.Component)
	if s == nil {
		return &errNoCode{e}
	}
	mig := s.version(e.Version)
	if mig == nil || mig.code == nil || mig.Checksum != e.Checksum {
		return &errNoCode{e}
	}
	back := *mig.code
	back.Up = back.Down
	return b.m.execute(ctx, b.conn, &Migration{Component: e.Component, Version: e.Version, Name: e.Name, code: &back}, "", t, each)
}

// schemaOfThen checks that the schema is the one from before what was taken back, and notes how it is spelt now.
func (b *batch) schemaOfThen(opt DownOptions, stay, back []Entry) error {
	objects, err := readObjects(b.conn)
	if err != nil {
		return err
	}
	v := *b.view
	v.objects = objects
	have := hashObjects(b.m.schemaOf(&v, opt.Component))
	if adoptedSince(b.view, back) {
		// The schema was changed by hand and taken into the history after what was taken back: what it would have been is not known.
		b.run.Schema = script(objects)
	} else {
		v.entries = nil
		for _, e := range b.view.entries {
			if e.Component != opt.Component || e.Version <= opt.To || e.Version == 0 {
				v.entries = append(v.entries, e)
			}
		}
		want, err := b.m.expected(b.ctx, &v)
		var missing *errNoCode
		if errors.As(err, &missing) {
			b.run.Schema = script(objects)
		} else if err != nil {
			return err
		} else if diff := compareObjects(want, objects); len(diff) > 0 {
			return fmt.Errorf("its down script does not bring the schema back: %v", diff)
		}
	}
	if len(stay) == 0 {
		return nil
	}
	last := stay[len(stay)-1]
	if err := own(b.conn, "UPDATE _tg_migration SET schema_hash = ? WHERE component = ? AND version = ?", have, last.Component, last.Version); err != nil {
		return err
	}
	return rechain(b.conn, opt.Component)
}

func adoptedSince(v *view, back []Entry) bool {
	for _, r := range v.runs {
		for _, e := range back {
			if r.Schema != "" && !e.Finished.After(r.Done) {
				return true
			}
		}
	}
	return false
}

// columnsHeld counts the values of columns that are about to go.
type columnsHeld struct {
	conn   *sqlite.Conn
	tables map[string]table
	gone   []Loss
}

// statement looks at ALTER TABLE … DROP COLUMN before it runs.
func (h *columnsHeld) statement(sql string) error {
	w := words(sql)
	if len(w) < 5 || w[0] != "alter" || w[1] != "table" {
		return nil
	}
	w = w[2:]
	if w[1] == "." && len(w) > 3 {
		w = w[2:]
	}
	name, w := w[0], w[1:]
	if w[0] != "drop" || len(w) > 2 && w[1] == "constraint" {
		return nil
	}
	column := w[len(w)-1]
	n, err := h.conn.QueryInt("SELECT count(" + quoteName(column) + ") FROM " + quoteName(name))
	if err != nil {
		return err
	}
	if n > 0 {
		h.gone = append(h.gone, Loss{Table: name, Column: column, Rows: n})
	}
	return nil
}

// losses is everything that the scripts dropped. Columns that a rebuild left out count by what the rows had before.
func (h *columnsHeld) losses(before, after *account, t *tracker) []Loss {
	out := h.gone
	for first, n := range before.rows {
		if n == 0 {
			continue
		}
		place := t.place(first, after.tables)
		switch {
		case place == "":
			out = append(out, Loss{Table: before.tables[first].Name, Rows: n})
		case after.rows[place] < n:
			out = append(out, Loss{Table: before.tables[first].Name, Rows: n - after.rows[place]})
		default:
			out = append(out, h.leftOut(first, before.tables[first], after.tables[place], t, n)...)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].String() < out[j].String() })
	return out
}

// leftOut lists columns of a rebuilt table that are not there any more.
func (h *columnsHeld) leftOut(first string, before, after table, t *tracker, rows int64) []Loss {
	have := map[string]bool{}
	for _, c := range after.Columns {
		have[strings.ToLower(c)] = true
	}
	for _, l := range h.gone {
		if strings.EqualFold(l.Table, before.Name) || strings.EqualFold(l.Table, after.Name) {
			have[strings.ToLower(l.Column)] = true // counted already
		}
	}
	if _, still := t.ident[first]; still {
		return nil // not rebuilt: DROP COLUMN was counted when it ran
	}
	var out []Loss
	for _, c := range before.Columns {
		name := strings.ToLower(c)
		if to, ok := t.renames[first][name]; ok {
			name = to
		}
		if !have[name] {
			out = append(out, Loss{Table: before.Name, Column: c, Rows: rows})
		}
	}
	return out
}
