package migrate

import (
	"fmt"
	"time"

	"github.com/tidegate/engine/internal/failpoint"
)

// apply runs the pending migrations and everything that proves them right, inside the open transaction.
func (b *batch) apply(pending []*Migration, planned *lineage, rep *Report) error {
	m, conn := b.m, b.conn
	now, err := takeAccount(conn)
	if err != nil {
		return err
	}
	before, err := findFaults(conn, now.tables)
	if err != nil {
		return err
	}
	guards, err := liftGuards(conn)
	if err != nil {
		return err
	}
	m.progress(Progress{Phase: "hash", Migrations: len(pending)})
	h := newHasher(m.cfg.HashBudget)
	keep, err := h.guardRows(b.ctx, conn, now, planned)
	if err != nil {
		return err
	}
	t := newTracker(now.tables)
	// Before anything is compiled: a DELETE without WHERE that was compiled unobserved stays unobserved.
	if err := conn.OnChange(t.changed); err != nil {
		return err
	}
	defer conn.OnChange(nil)
	for _, mig := range pending {
		if now, err = b.one(mig, t, now, rep); err != nil {
			return err
		}
	}
	if err := conn.OnChange(nil); err != nil {
		return err
	}
	last := pending[len(pending)-1]
	fail := func(err error) error {
		if err == nil {
			return nil
		}
		return &Error{Version: last.Version, Name: last.Name, Cause: err}
	}
	m.progress(Progress{Phase: "verify", Migrations: len(pending)})
	after, err := findFaults(conn, now.tables)
	if err != nil {
		return err
	}
	if err := after.added(before); err != nil {
		return fail(err)
	}
	if rep.Checks, err = h.compareRows(b.ctx, conn, keep, t, now.tables); err != nil {
		return fail(err)
	}
	if err := putGuards(conn, guards, t, now.tables); err != nil {
		return err
	}
	objects, err := readObjects(conn)
	if err != nil {
		return err
	}
	if diff := compareObjects(planned.after, objects); len(diff) > 0 {
		return fail(fmt.Errorf("the schema is not what the history and the migrations build: %v", diff))
	}
	return nil
}

// one applies one migration in a savepoint of its own and enters it in the history.
func (b *batch) one(mig *Migration, t *tracker, before *account, rep *Report) (after *account, err error) {
	m, conn := b.m, b.conn
	ctx, end := m.startMigration(b.ctx, mig)
	defer func() { end(err) }()
	start, at := m.clock.Now(), time.Now()
	if err := conn.Exec("SAVEPOINT _tg_migration"); err != nil {
		return nil, err
	}
	n := 0
	fail := func(err error) error { return &Error{Version: mig.Version, Name: mig.Name, Statement: n, Cause: err} }
	t.next()
	before.beginsAt(t)
	err = m.execute(ctx, conn, mig, mig.Up, t, func(string) error {
		n++
		m.progress(Progress{Phase: "apply", Component: mig.Component, Version: mig.Version, Name: mig.Name, Statement: n, Migrations: len(b.status.Pending)})
		return m.interrupted(mig, n)
	})
	if err != nil {
		return nil, fail(err)
	}
	applied := Applied{Component: mig.Component, Version: mig.Version, Name: mig.Name, Statements: n, Events: map[string]RowEvents{}, Conversions: t.results}
	for name, e := range t.events {
		applied.Events[name] = *e
	}
	n = 0 // what follows is about the whole
	if err := t.check(mig); err != nil {
		return nil, fail(err)
	}
	if after, err = takeAccount(conn); err != nil {
		return nil, err
	}
	if err := b.lost(mig, t, before, after); err != nil {
		return nil, fail(err)
	}
	if err := checkVerify(conn, mig); err != nil {
		return nil, fail(err)
	}
	applied.Duration = time.Since(at)
	e := Entry{Component: mig.Component, Version: mig.Version, Name: mig.Name, Checksum: mig.Checksum, Compat: mig.Compat, Up: mig.stored(), Down: mig.Down,
		RowsBefore: before.named(), RowsAfter: after.named(), Started: start, Finished: m.clock.Now(), Run: b.run.ID}
	if err := b.enter(e); err != nil {
		return nil, err
	}
	if err := startBackground(conn, mig); err != nil {
		return nil, err
	}
	if err := conn.Exec("RELEASE _tg_migration"); err != nil {
		return nil, err
	}
	rep.Applied = append(rep.Applied, applied)
	return after, nil
}

// lost refuses rows that went away with their table, or while it was rebuilt, without the file saying so.
func (b *batch) lost(mig *Migration, t *tracker, before, after *account) error {
	declared := map[string]bool{}
	for _, name := range mig.Touches {
		declared[name] = true
	}
	for name, n := range before.rows {
		first, old := before.first[name]
		if !old || n == 0 || declared[first] || declared[name] {
			continue
		}
		place := t.place(first, after.tables)
		switch {
		case place == "":
			return &RowsError{Table: name, Why: fmt.Sprintf("the table is dropped with its %d rows", n)}
		case t.altered[first] && !t.direct[first] && after.rows[place] != n:
			return &RowsError{Table: name, Why: fmt.Sprintf("it had %d rows and has %d since it was rebuilt", n, after.rows[place])}
		}
	}
	return nil
}

// beginsAt notes under which first name the tracker knows each table at this moment.
func (a *account) beginsAt(t *tracker) {
	a.first = make(map[string]string, len(t.ident))
	for name, first := range t.ident {
		a.first[name] = first
	}
}

// enter adds an entry to the history, with the schema as it is now.
func (b *batch) enter(e Entry) error {
	objects, err := readObjects(b.conn)
	if err != nil {
		return err
	}
	v, err := look(b.conn)
	if err != nil {
		return err
	}
	e.SchemaHash = hashObjects(ofComponent(objects, e.Component, b.m.components(v)))
	previous := ""
	if rows := of(v.entries, e.Component); len(rows) > 0 {
		previous = rows[len(rows)-1].Chain
	}
	_, err = writeEntry(b.conn, e, previous)
	return err
}

// adoptSchema makes what an adopted database had its version 0.
func (b *batch) adoptSchema() error {
	now, err := takeAccount(b.conn)
	if err != nil {
		return err
	}
	up := script(b.m.schemaOf(b.view, Component))
	at := b.m.clock.Now()
	return b.enter(Entry{Component: Component, Name: "adopted", Checksum: checksum(up), Up: up, RowsBefore: now.named(), RowsAfter: now.named(),
		Started: at, Finished: at, Run: b.run.ID})
}

// interrupted is where a test fails or ends the run at a statement.
func (m *Migrator) interrupted(mig *Migration, statement int) error {
	failpoint.Hit(failpoint.MigrationStatement)
	if m.cfg.At == nil {
		return nil
	}
	return m.cfg.At(mig, statement)
}

// preflight refuses what could not be finished.
func (b *batch) preflight(planned *lineage, rehearse bool) error {
	b.m.progress(Progress{Phase: "preflight"})
	if _, err := b.m.analyse(b.ctx, b.conn, b.status.Pending, planned); err != nil {
		return err
	}
	tables, err := readTables(b.conn)
	if err != nil {
		return err
	}
	need, err := b.m.needOf(b.conn, tables, planned.rewritten, rehearse)
	if err != nil {
		return err
	}
	return b.m.checkDisk(need)
}
