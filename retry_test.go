package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// cold opens a database whose pages nobody has read yet, but those that a first statement on another table needs.
func cold(t *testing.T, change ...func(*engine.Config)) (*engine.DB, *faultfs.Plan) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cold.db")
	db := openAt(t, path)
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER)", "INSERT INTO acc VALUES (1, 1000), (2, 1000)",
		"CREATE TABLE other (x)", "INSERT INTO other VALUES (0)")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := config(path)
	cfg.Telemetry.Slow.Log = false // on a busy machine it asks for plans meanwhile, on a connection that is opened for it and meets the fault first
	for _, c := range change {
		c(&cfg)
	}
	p := &faultfs.Plan{}
	db, err := engine.OpenOn(t.Context(), cfg, nil, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Clear()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	one(t, db, "SELECT x FROM other")
	exec(t, db, "UPDATE other SET x = 1")
	return db, p
}

// failures sums up what counts against the breakers.
func failures(db *engine.DB) map[string]uint64 {
	out := map[string]uint64{}
	for _, b := range db.Stats().Breakers {
		if b.Failures > 0 {
			out[b.Name] = b.Failures
		}
	}
	return out
}

// codeRow is one row of the table of result codes, as it shows from outside.
type codeRow struct {
	name    string
	err     error  // what the file layer answers, once
	want    error  // what the caller gets; nil: the engine has tried again, and it went well
	wrote   error  // the same for a write; errSame: as for a read
	breaker string // whose failures it counts among
	locked  bool   // it ends in quarantine
	always  bool   // … and a write
	inside  bool   // SQLite itself tries a read again, before anybody hears of it
}

var errSame = errors.New("as for a read")

func codeTable() []codeRow {
	code := sqlite.ResultCode
	return []codeRow{
		{name: "BUSY", err: code(5), inside: true, wrote: errSame},
		{name: "BUSY_RECOVERY", err: code(261), inside: true, wrote: errSame},
		{name: "BUSY_SNAPSHOT", err: code(517), inside: true, wrote: errSame},
		{name: "SCHEMA", err: code(17), inside: true, always: true, wrote: errSame},
		{name: "NOMEM", err: code(7), wrote: engine.ErrOutOfMemory},
		{name: "PROTOCOL", err: code(15), wrote: errSame},
		{name: "READONLY_RECOVERY", err: code(264), wrote: errSame},
		{name: "READONLY_CANTINIT", err: code(1288), wrote: errSame},
		{name: "LOCKED", err: code(6), want: engine.ErrSQL, wrote: errSame},
		{name: "CONSTRAINT", err: code(19), want: engine.ErrConstraint, wrote: errSame},
		{name: "MISMATCH", err: code(20), want: engine.ErrConstraint, wrote: errSame},
		{name: "TOOBIG", err: code(18), want: engine.ErrTooBig, wrote: errSame},
		{name: "RANGE", err: code(25), want: engine.ErrArgs, wrote: errSame},
		{name: "AUTH", err: code(23), want: engine.ErrForbidden, wrote: errSame},
		{name: "ERROR", err: code(1), want: engine.ErrSQL, wrote: errSame},
		{name: "IOERR_READ", err: syscall.EIO, wrote: errSame, breaker: "storage"},
		{name: "FULL", err: code(13), want: engine.ErrFull, wrote: errSame, breaker: "write"},
		{name: "READONLY", err: code(8), want: engine.ErrReadOnly, wrote: errSame, breaker: "write"},
		{name: "CANTOPEN", err: code(14), wrote: errSame, breaker: "open"},
		{name: "READONLY_DBMOVED", err: code(1032), wrote: errSame, breaker: "open"},
		{name: "CORRUPT", err: code(11), want: engine.ErrCorrupt, wrote: errSame, locked: true},
		{name: "NOTADB", err: code(26), want: engine.ErrNotDatabase, wrote: errSame, locked: true},
		{name: "CORRUPT_VTAB", err: code(267), want: engine.ErrCorrupt, wrote: errSame},
	}
}

// TestEveryCodeOfTheTable has the file layer answer with each code once, to a read and to a write, and looks from outside what comes of it.
func TestEveryCodeOfTheTable(t *testing.T) {
	t.Parallel()
	reads := []sqlite.FileKind{sqlite.FileDB, sqlite.FileWAL}
	for _, row := range codeTable() {
		for _, way := range []string{"read", "write", "read by DB.SQL"} {
			t.Run(row.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				write := way == "write"
				db, p := cold(t)
				pool := db.SQL()
				defer pool.Close()
				fault := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Files: reads, Err: row.err})
				want, err := row.want, error(nil)
				if write {
					if row.wrote != errSame {
						want = row.wrote
					}
					_, err = db.Exec(t.Context(), "UPDATE acc SET balance = balance + 1 WHERE id = 1")
				} else if way == "read" {
					err = db.QueryRow(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int))
				} else {
					err = pool.QueryRowContext(t.Context(), "SELECT sum(balance) FROM acc").Scan(new(int))
				}
				if fault.Hits() != 1 {
					t.Fatalf("%d faults", fault.Hits())
				}
				switch {
				case want == nil && err != nil:
					t.Errorf("it was not run again: %v", err)
				case want != nil:
					wantOnly(t, err, want)
				}
				if n := db.Stats().Retry.Granted; (n == 1) != (want == nil && (!row.inside || write && !row.always)) {
					t.Errorf("%d further runs", n)
				}
				got := failures(db)
				if row.breaker == "" && len(got) > 0 || row.breaker != "" && (len(got) != 1 || got[row.breaker] == 0) {
					t.Errorf("counted %v, want %q", got, row.breaker)
				}
				if locked := db.Quarantine().Err() != nil; locked != row.locked {
					t.Errorf("in quarantine: %v", locked)
				}
				sum := int64(2000)
				if write && err == nil {
					sum++
				}
				if n := one(t, db, "SELECT sum(balance) FROM acc"); n != sum {
					t.Errorf("sum %d, want %d", n, sum)
				}
			})
		}
	}
}

// TestReadsOfADiskThatFailsOnce: a program whose disk fails one read in four hundred sees nothing of it, while the budget lasts.
func TestReadsOfADiskThatFailsOnce(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	for n := range 5 {
		fault := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: syscall.EIO})
		rows, err := db.Query(t.Context(), "SELECT balance FROM acc") // keeps its connection: each needs a new one, which reads
		if err != nil {
			t.Fatalf("read %d: %v", n, err)
		}
		defer rows.Close()
		if fault.Hits() == 0 {
			t.Errorf("read %d met no fault", n)
		}
	}
}

// TestTheBudgetCapsRetries: every read fails, and is run again as often as a tenth of the calls.
func TestTheBudgetCapsRetries(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	p.Add(faultfs.Rule{Kind: sqlite.OpOpen, Sticky: true, Err: sqlite.ResultCode(5)}) // BUSY: retried, and no breaker's business
	rows, err := db.Query(t.Context(), "SELECT x FROM other")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() // the one open connection is taken: every other read has to open one
	const calls = 300
	for range calls {
		if err := db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)); !errors.Is(err, engine.ErrBusy) {
			t.Fatalf("got %v", err)
		}
	}
	st := db.Stats().Retry
	if st.Granted > (st.Calls)/10+10 || st.Granted < calls/10 || st.Denied == 0 {
		t.Errorf("%+v", st)
	}
	for _, b := range db.Stats().Breakers {
		if b.Failures != 0 {
			t.Errorf("%+v", b)
		}
	}
}

// TestRetryEndsWithinHalfOfTheDeadline: what can be tried for long is not tried past half of the time that the caller has.
func TestRetryEndsWithinHalfOfTheDeadline(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	p.Add(faultfs.Rule{Kind: sqlite.OpOpen, Sticky: true, Err: sqlite.ResultCode(5)})
	rows, err := db.Query(t.Context(), "SELECT x FROM other")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	// How much half of it must be for one try, this machine alone knows.
	for limit := 40 * time.Millisecond; limit < 10*time.Second; limit *= 2 {
		if err = db.QueryRow(t.Context(), "SELECT 1", engine.WithTimeout(limit)).Scan(new(int)); !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, engine.ErrBusy) {
		t.Errorf("got %v, want what was in the way and not the time-out", err)
	}
}

// TestViewsRunAgain: a View that did not begin is begun again; one that did only where its caller has said that it may.
func TestViewsRunAgain(t *testing.T) {
	t.Parallel()
	for _, replayable := range []bool{false, true} {
		db, p := cold(t)
		var opts []engine.Option
		if replayable {
			opts = append(opts, engine.Replayable())
		}
		fault := p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: syscall.EIO})
		runs, sum := 0, 0
		err := db.View(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			runs++
			return tx.QueryRow(ctx, "SELECT sum(balance) FROM acc").Scan(&sum)
		}, opts...)
		if fault.Hits() != 1 {
			t.Fatalf("%d faults", fault.Hits())
		}
		if replayable && (err != nil || runs != 2 || sum != 2000) {
			t.Errorf("replayable: %d runs, sum %d, %v", runs, sum, err)
		}
		if !replayable {
			wantOnly(t, err, engine.ErrIO)
			if runs != 1 {
				t.Errorf("a closure that must not be repeated ran %d times", runs)
			}
		}
	}
}

// TestOnlyTheOutermostRetries: a read inside a closure is not run again by itself.
func TestOnlyTheOutermostRetries(t *testing.T) {
	t.Parallel()
	db, p := cold(t)
	err := db.View(t.Context(), func(ctx context.Context, _ *engine.Tx) error {
		p.Add(faultfs.Rule{Kind: sqlite.OpRead, Err: syscall.EIO})
		return db.QueryRow(ctx, "SELECT sum(balance) FROM acc").Scan(new(int))
	})
	wantOnly(t, err, engine.ErrIO)
	if n := db.Stats().Retry.Granted; n != 0 {
		t.Errorf("%d further runs", n)
	}
}
