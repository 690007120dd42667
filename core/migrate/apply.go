package migrate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"runtime/debug"
	"time"
)

// lockWait bounds how long a start waits for another process that migrates.
const lockWait = 30 * time.Second

// Report says what [Set.Apply] did.
type Report struct {
	From, To int
	Applied  []Applied     // in order; empty when nothing was pending
	Duration time.Duration // of the whole call, waiting for the lock included
}

// Applied is one migration of a [Report].
type Applied struct {
	Version    int
	Name       string
	Statements int
	Duration   time.Duration
}

// Error is a migration that failed. The whole batch was rolled back: the
// database has the version it had before.
type Error struct {
	Version   int
	Name      string
	Statement int // the last one of its up section that was begun; the next may have been refused unread; 0 where none is meant
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

// Apply brings the database to the set's latest version, or leaves it as it
// was. markManaged, if not nil, runs inside the same transaction once
// everything else has succeeded; it is where the database gets its identity.
// The connection must be the caller's alone and outside a transaction.
//
// # Errors
//
// [*ConflictError] where database and program do not fit, or where another
// process keeps the write lock (E10); [*Error] for a migration that failed;
// the context's cause. In every case nothing was changed.
func (s *Set) Apply(ctx context.Context, conn Conn, markManaged func() error) (rep Report, err error) {
	start := time.Now()
	defer func() { rep.Duration = time.Since(start) }()
	st, err := s.Status(ctx, conn)
	if err != nil {
		return rep, err
	}
	rep.From, rep.To = st.Current, st.Current
	if err := st.Err(); err != nil || len(st.Pending) == 0 {
		return rep, err
	}
	restore, err := foreignKeysOff(conn)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, restore()) }()
	if err := begin(ctx, conn); err != nil {
		return rep, err
	}
	b := &batch{set: s, conn: conn, ctx: ctx}
	if err := b.run(markManaged); err != nil {
		if !conn.Autocommit() {
			err = errors.Join(err, conn.Exec("ROLLBACK"))
		}
		return rep, err
	}
	rep.From, rep.To, rep.Applied = b.from, b.from, b.done
	if len(b.done) > 0 {
		rep.To = b.done[len(b.done)-1].Version
	}
	return rep, nil
}

// foreignKeysOff stops cascades from a table that is being rebuilt; inside a
// transaction the pragma would do nothing. What a migration breaks is found by
// the check before COMMIT.
func foreignKeysOff(conn Conn) (restore func() error, err error) {
	on, err := conn.QueryInt("PRAGMA foreign_keys")
	if err != nil {
		return nil, fmt.Errorf("migrate: read foreign_keys: %w", err)
	}
	if on == 0 {
		return func() error { return nil }, nil
	}
	if err := conn.Exec("PRAGMA foreign_keys = OFF"); err != nil {
		return nil, fmt.Errorf("migrate: foreign keys off: %w", err)
	}
	return func() error { return conn.Exec("PRAGMA foreign_keys = ON") }, nil
}

// begin takes the write lock, waiting for whoever has it.
func begin(ctx context.Context, conn Conn) error {
	deadline := time.Now().Add(lockWait)
	for wait := time.Millisecond; ; wait = min(2*wait, 64*time.Millisecond) {
		err := conn.Exec("BEGIN IMMEDIATE")
		if err == nil || !isBusy(err) {
			return err
		}
		if time.Now().After(deadline) {
			return conflicts([]*Conflict{{Code: LockBusy, Detail: fmt.Sprintf("another process kept the write lock for %v", lockWait),
				Remedy: "stop it, or wait until its migration has ended, and start again"}})
		}
		timer := time.NewTimer(jitter(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// jitter spreads processes that were started at the same instant.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)))
	if err != nil {
		return d
	}
	return time.Duration(n.Int64()) + 1
}

// batch is everything pending, inside one transaction.
type batch struct {
	set   *Set
	conn  Conn
	ctx   context.Context
	from  int
	runID string
	done  []Applied
}

func (b *batch) run(markManaged func() error) error {
	// Under the lock nobody can change what is read now: another process may
	// have finished the work between the first look and here.
	st, err := b.set.Status(b.ctx, b.conn)
	if err != nil {
		return err
	}
	b.from, b.runID = st.Current, rand.Text()
	if err := st.Err(); err != nil {
		return err
	}
	if len(st.Pending) == 0 {
		return b.conn.Exec("ROLLBACK")
	}
	if err := b.conn.Exec(createHistory); err != nil {
		return fmt.Errorf("migrate: create the history: %w", err)
	}
	before, err := b.violations()
	if err != nil {
		return err
	}
	for _, m := range st.Pending {
		if err := b.apply(m); err != nil {
			return err
		}
	}
	after, err := b.violations()
	if err != nil {
		return err
	}
	if after > before {
		last := st.Pending[len(st.Pending)-1]
		return &Error{Version: last.Version, Name: last.Name, Cause: fmt.Errorf("%d foreign keys point nowhere that did not before", after-before)}
	}
	if err := b.conn.Exec(fmt.Sprintf("PRAGMA user_version = %d", st.Epoch+int64(len(st.Pending)))); err != nil {
		return fmt.Errorf("migrate: write the epoch: %w", err)
	}
	if markManaged != nil {
		if err := markManaged(); err != nil {
			return fmt.Errorf("migrate: mark the database: %w", err)
		}
	}
	if err := b.conn.Exec("COMMIT"); err != nil {
		return fmt.Errorf("migrate: commit: %w", err)
	}
	return nil
}

func (b *batch) violations() (int64, error) {
	n, err := b.conn.QueryInt("SELECT count(*) FROM pragma_foreign_key_check")
	if err != nil {
		return 0, fmt.Errorf("migrate: check foreign keys: %w", err)
	}
	return n, nil
}

func (b *batch) apply(m *Migration) error {
	start := time.Now()
	before, err := rowCounts(b.conn)
	if err != nil {
		return err
	}
	n := 0
	err = b.conn.Script(m.Up, func(stmt string) error {
		n++
		if b.ctx.Err() != nil {
			return context.Cause(b.ctx)
		}
		return allowed(stmt)
	})
	if err == nil && b.conn.Autocommit() {
		err = errors.New("it ended the transaction it ran in")
	}
	if err != nil {
		return &Error{Version: m.Version, Name: m.Name, Statement: n, Cause: err}
	}
	for i, q := range m.Verify {
		found, err := b.conn.QueryInt("SELECT EXISTS (" + q + "\n)")
		if err == nil && found != 0 {
			err = fmt.Errorf("verify query %d returned a row, and any row is a failure", i+1)
		}
		if err != nil {
			return &Error{Version: m.Version, Name: m.Name, Cause: err}
		}
	}
	if err := b.record(m, start, before); err != nil {
		return err
	}
	b.done = append(b.done, Applied{Version: m.Version, Name: m.Name, Statements: n, Duration: time.Since(start)})
	return nil
}

// allowed refuses what would leave the batch's transaction or its file. The
// connection's own guard refuses most of it too; a migration must not depend on
// how its connection was set up.
func allowed(stmt string) error {
	switch w := firstWord(stmt); w {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "VACUUM", "PRAGMA":
		return fmt.Errorf("%s is not allowed in a migration; all pending migrations are one transaction", w)
	}
	return nil
}

func (b *batch) record(m *Migration, start time.Time, before string) error {
	rows, _, err := readHistory(b.conn)
	if err != nil {
		return err
	}
	previous := ""
	if len(rows) > 0 {
		previous = rows[len(rows)-1].Chain
	}
	a := applied{Version: m.Version, Name: m.Name, Checksum: m.Checksum, Compat: m.Compat, Up: m.Up, Down: m.Down}
	if a.SchemaHash, err = schemaHash(b.conn); err != nil {
		return err
	}
	after, err := rowCounts(b.conn)
	if err != nil {
		return err
	}
	a.Chain = a.link(previous)
	err = b.conn.Exec(fmt.Sprintf("INSERT INTO _tg_migration VALUES (%s, %d, %s, %s, %s, %s, %d, %s, %s, %s, %d, %d, %s, sqlite_version(), %s, %s)",
		quote(Component), a.Version, quote(a.Name), quote(a.Checksum), quote(a.Up), quote(a.Down), a.Compat, quote(a.SchemaHash),
		quote(before), quote(after), start.UnixNano(), time.Now().UnixNano(), quote(engineVersion()), quote(b.runID), quote(a.Chain)))
	if err != nil {
		return fmt.Errorf("migrate: write the history: %w", err)
	}
	return nil
}

// engineVersion is the version of this module in the running program.
func engineVersion() string {
	const module = "github.com/tidegate/engine"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return info.Main.Version
}
