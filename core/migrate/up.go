package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Report says what a run did.
type Report struct {
	Run        string // "" when there was nothing to do
	From, To   int    // versions of the main schema
	Applied    []Applied
	TakenBack  []Applied    // by Down, newest first
	Snapshot   string       // path of the copy from before; "" for a database that was empty or is in memory
	Checks     []TableCheck // tables that were shown to be unchanged, and how
	Rehearsal  *Rehearsal   // nil when there was none
	Unverified string       // why the schema could not be compared with its history; "" when it was
	Locked     time.Duration
	Duration   time.Duration // of the whole call, waiting for the lock included
}

// Applied is one migration of a [Report].
type Applied struct {
	Component  string
	Version    int
	Name       string
	Statements int
	Events     map[string]RowEvents // by table, as SQLite reported them
	// Conversions is what became of its -- convert: lines, in their order.
	Conversions []Converted
	Duration    time.Duration
}

// Error is a migration that failed. The whole batch was rolled back: the
// database has the version it had before.
type Error struct {
	Version   int
	Name      string
	Statement int // the last one of its section that was begun; the next may have been refused unread; 0 where none is meant
	Cause     error
}

func (e *Error) Error() string {
	at := ""
	if e.Statement > 0 {
		at = fmt.Sprintf(", in or right after statement %d", e.Statement)
	}
	return fmt.Sprintf("migration %04d (%s)%s failed and was rolled back with its batch: %v; correct the migration or the data and start again", e.Version, e.Name, at, e.Cause)
}

func (e *Error) Unwrap() error { return e.Cause }

// Up brings the database to the program's latest version, or leaves it as it was. With nothing pending it takes no lock and writes
// nothing. A run that ended between COMMIT and its probes is taken up where it ended.
//
// # Errors
//
// [*ConflictError] where database and program do not fit, or where another
// process keeps the write lock (E10); [*Error] for a migration that failed, with nothing changed; [*ProbeError] where a probe failed
// after COMMIT, which also says whether the snapshot was put back; the context's cause.
func (m *Migrator) Up(ctx context.Context) (rep Report, err error) {
	start := time.Now()
	defer func() { rep.Duration = time.Since(start) }()
	st, v, err := m.see(ctx)
	if err != nil {
		return rep, err
	}
	rep.From, rep.To = st.Current, st.Current
	if st.Err() == nil && len(st.Pending) == 0 && st.Unsettled == nil {
		m.started.Store(v)
		return rep, nil
	}
	m.started.Store(nil)
	ctx, end := m.startRun(ctx, "up")
	defer func() { rep.Duration = time.Since(start); m.ended("up", &rep, err); end(err) }()
	if err := st.Err(); err != nil {
		return rep, err
	}
	if err := m.mayChange("up"); err != nil {
		return rep, err
	}
	if st.Unsettled != nil {
		if err := m.settle(ctx, *st.Unsettled); err != nil {
			return rep, err
		}
	}
	if len(st.Pending) == 0 {
		return rep, nil
	}
	run, err := m.locked(ctx, "up", func(b *batch) error { return b.up(&rep) })
	if errors.Is(err, errNothing) {
		return rep, m.settleOthers(ctx)
	}
	if err != nil {
		return rep, err
	}
	rep.Run, rep.Snapshot, rep.From, rep.To = run.ID, run.Snapshot, run.From, run.To
	m.prune()
	return rep, m.settle(ctx, run)
}

// settleOthers is for the process that waited: what the others committed must have passed its probes here, too, before traffic.
func (m *Migrator) settleOthers(ctx context.Context) error {
	st, err := m.Status(ctx)
	if err != nil {
		return err
	}
	if err := st.Err(); err != nil {
		return err
	}
	if st.Unsettled == nil {
		return nil
	}
	return m.settle(ctx, *st.Unsettled)
}

// up is everything between the lock and COMMIT.
func (b *batch) up(rep *Report) error {
	m := b.m
	locked := time.Now()
	defer func() { rep.Locked = time.Since(locked) }()
	// Another process may have finished the work between the first look and here.
	rep.From, rep.To, rep.Applied = b.status.Current, b.status.Current, nil
	if err := b.status.Err(); err != nil {
		return err
	}
	pending := b.status.Pending
	if len(pending) == 0 {
		return errNothing
	}
	if b.status.Unsettled != nil {
		return fmt.Errorf("migrate: run %s of another process has not passed its probes yet; start again", b.status.Unsettled.ID)
	}
	planned, err := b.planned(pending, rep)
	if err != nil {
		return err
	}
	rehearse := m.cfg.Rehearse && b.view.managed && !m.store.Location().Memory && destructive(planned)
	if err := b.preflight(planned, rehearse); err != nil {
		return err
	}
	if err := b.snapshot(); err != nil {
		return err
	}
	if rehearse && b.run.Snapshot != "" {
		m.progress(Progress{Phase: "rehearse"})
		if rep.Rehearsal, err = m.rehearseOn(b.ctx, b.run.Snapshot, b.status); err != nil {
			return fmt.Errorf("migrate: rehearsal on a copy: %w", err)
		}
	}
	if err := createTables(b.conn); err != nil {
		return err
	}
	if b.status.Adopts {
		if err := b.adoptSchema(); err != nil {
			return err
		}
	}
	if err := b.apply(pending, planned, rep); err != nil {
		return err
	}
	for _, a := range rep.Applied {
		if a.Component == Component {
			b.run.To = a.Version
		}
	}
	return b.record()
}

// planned replays the history in memory. Where an older migration's code is not here any more, only what needs the replay is left out.
func (b *batch) planned(pending []*Migration, rep *Report) (*lineage, error) {
	v := *b.view
	if b.status.Adopts {
		v.entries = append([]Entry{{Component: Component, Name: "adopted", Up: script(b.m.schemaOf(b.view, Component)), Finished: time.Unix(0, 1)}}, v.entries...)
	}
	l, err := b.m.replay(b.ctx, &v, pending)
	var missing *errNoCode
	if errors.As(err, &missing) {
		// The present schema stands in for the history: what it builds can still be compared, only not what it is built from.
		rep.Unverified = missing.Error()
		v.entries, v.runs = nil, []Run{{ID: "present", Schema: script(b.view.objects)}}
		l, err = b.m.replay(b.ctx, &v, pending)
	}
	return l, err
}

func destructive(l *lineage) bool {
	for _, s := range l.steps {
		if s.Destructive {
			return true
		}
	}
	return false
}
