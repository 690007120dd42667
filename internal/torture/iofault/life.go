package iofault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	engine "github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/testdb"
	"github.com/tidegate/engine/internal/torture"
)

const (
	fileName = "life.db"
	patience = 5 * time.Second // of a call; nothing here may take as long
	grace    = 2 * time.Second // past its deadline: a COMMIT under way is waited for
	recovery = 15 * time.Second
)

// life is what the engine was asked to do and what it answered.
type life struct {
	dir   string
	watch *watch
	calls map[sqlite.OpKind]int

	acked, refused, unknown []int // numbers of moves
	n                       int
	typed, late, cuts       int
	slowest                 time.Duration
	struck, recovered       bool
	problems                []error
}

// watch hears every file call: it counts them, and the syncs of handles whose sync has failed before.
type watch struct {
	*faultfs.Recorder
	mu    sync.Mutex
	calls map[sqlite.OpKind]int
	dead  map[uint64]bool
	used  int // syncs of dead handles
}

// Before implements sqlite.Faults.
func (w *watch) Before(op sqlite.Op) error {
	err := w.Recorder.Before(op)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[op.Kind]++
	if op.Kind == sqlite.OpSync {
		if w.dead[op.Handle] {
			w.used++
		}
		if err != nil {
			w.dead[op.Handle] = true
		}
	}
	return err
}

// After implements sqlite.Journal. The next life of the engine counts its handles from one again.
func (w *watch) After(op sqlite.Op, err error) {
	w.Recorder.After(op, err)
	if op.Kind == sqlite.OpOpen {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.dead, op.Handle)
	}
}

func (w *watch) syncsOfDead() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
}

func oneLife(ctx context.Context, e *torture.Env, number int, f fault) (*life, error) {
	dir := filepath.Join(e.Dir, fmt.Sprintf("life%d", number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	plan := &faultfs.Plan{}
	l := &life{dir: dir, watch: &watch{Recorder: &faultfs.Recorder{Plan: plan}, calls: map[sqlite.OpKind]int{}, dead: map[uint64]bool{}}}
	var handle faultfs.Handle
	if f.nth > 0 {
		handle = plan.Add(f.rule())
	}
	db := l.session(ctx, true)
	if db != nil {
		l.close(db)
	}
	db = l.session(ctx, false)
	if f.nth > 0 {
		l.struck = handle.Hits() > 0
	}
	plan.Clear()
	l.recover(ctx, db, f.nth == 0)
	l.calls = l.watch.calls
	l.verify(e, f)
	return l, errors.Join(l.problems...)
}

func (l *life) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// session opens the engine, twice where the first try fails, and works on it. It returns nil where it could not be opened.
func (l *life) session(ctx context.Context, first bool) *engine.DB {
	var db *engine.DB
	for range 2 {
		if l.call(ctx, "open", func(ctx context.Context) (err error) { db, err = l.open(ctx); return err }) == nil {
			break
		}
	}
	if db == nil {
		return nil
	}
	for range 2 {
		if l.call(ctx, "schema", func(ctx context.Context) error { return schema(ctx, db) }) == nil {
			break
		}
	}
	for i := range 8 { // the last is relaxed: its frames meet the sync of the checkpoint at the end
		l.move(ctx, db, i)
		l.call(ctx, "query", func(ctx context.Context) error {
			return db.QueryRow(ctx, "SELECT count(*) FROM moves").Scan(new(int))
		})
	}
	if first {
		return db
	}
	l.call(ctx, "view", func(ctx context.Context) error {
		return db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
			return tx.QueryRow(ctx, "SELECT sum(length(note)) FROM accounts").Scan(new(int))
		})
	})
	return db
}

func (l *life) open(ctx context.Context) (*engine.DB, error) {
	cfg := engine.DefaultConfig(filepath.Join(l.dir, fileName))
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.WAL.CheckpointFrames = 12
	cfg.Writer.BusyTimeout, cfg.Writer.Hold = 200*time.Millisecond, 5*time.Second
	return engine.Open(testdb.WithFaults(ctx, l.watch), cfg)
}

func schema(ctx context.Context, db *engine.DB) error {
	return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		for _, sql := range []string{
			"CREATE TABLE IF NOT EXISTS accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note TEXT NOT NULL) STRICT",
			"CREATE TABLE IF NOT EXISTS moves(n INTEGER PRIMARY KEY, src INTEGER NOT NULL, dst INTEGER NOT NULL, amount INTEGER NOT NULL) STRICT",
			"INSERT OR IGNORE INTO accounts VALUES (1, 1000, ''), (2, 1000, ''), (3, 1000, '')",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// move moves money in one of the ways in which a program can.
func (l *life) move(ctx context.Context, db *engine.DB, way int) error {
	l.n++
	n, src := l.n, l.n%3+1
	note := strings.Repeat("x", 1500*(n%3))
	level := engine.WithDurability(engine.Durability(way % 2))
	used := l.watch.syncsOfDead()
	err := l.call(ctx, "move", func(ctx context.Context) error {
		if way == 3 {
			b := new(engine.Batch)
			b.Exec("UPDATE accounts SET balance = balance - ?, note = ? WHERE id = ?", 1, note, src)
			b.Exec("UPDATE accounts SET balance = balance + ? WHERE id = ?", 1, src%3+1)
			b.Exec("INSERT INTO moves VALUES (?, ?, ?, ?)", n, src, src%3+1, 1)
			_, err := db.Batch(ctx, b, level)
			return err
		}
		return db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance - ?, note = ? WHERE id = ?", 1, note, src); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + ? WHERE id = ?", 1, src%3+1); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO moves VALUES (?, ?, ?, ?)", n, src, src%3+1, 1)
			return err
		}, level)
	})
	switch {
	case err == nil:
		if l.watch.syncsOfDead() > used {
			l.problem("move %d was acknowledged on a handle whose sync had failed", n)
		}
		l.acked = append(l.acked, n)
		l.watch.Mark(faultfs.Mark{N: n, Durable: way%2 == 0})
	case errors.Is(err, engine.ErrOutcomeUnknown):
		l.unknown = append(l.unknown, n)
	default:
		l.refused = append(l.refused, n)
	}
	return err
}

// recover shows that nothing but the end of the trouble is needed: the engine that is open goes on, and one that could not be opened opens.
func (l *life) recover(ctx context.Context, db *engine.DB, clean bool) {
	kept := db != nil
	for end := time.Now().Add(recovery); ; {
		if db == nil {
			l.call(ctx, "open", func(ctx context.Context) (err error) { db, err = l.open(ctx); return err })
		}
		if db != nil && l.call(ctx, "schema", func(ctx context.Context) error { return schema(ctx, db) }) == nil && l.move(ctx, db, 0) == nil {
			break
		}
		if time.Now().After(end) {
			l.problem("no move succeeded within %v of the end of the trouble", recovery)
			break
		}
		time.Sleep(5 * time.Millisecond) // a breaker that is open says no at once
	}
	l.recovered = kept && !clean
	if db != nil {
		l.close(db)
	}
}

func (l *life) close(db *engine.DB) {
	l.call(context.Background(), "shutdown", db.Shutdown)
}

// call makes one call of the engine and looks at its error and its time.
func (l *life) call(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	took := time.Since(began)
	l.slowest = max(l.slowest, took)
	if took > patience+grace {
		l.problem("%s returned after %v, %v past its deadline", what, took, took-patience)
	}
	if err == nil {
		return nil
	}
	var matches []error
	for _, s := range catalogue() {
		if errors.Is(err, s) {
			matches = append(matches, s)
		}
	}
	switch {
	case len(matches) == 1:
		l.typed++
	case errors.Is(err, context.DeadlineExceeded) && len(matches) == 0:
		l.late++ // the context's own error says what it is, too
	default:
		l.problem("%s: the error matches %d sentinels %v: %w", what, len(matches), matches, err)
	}
	return err
}

func catalogue() []error {
	return []error{engine.ErrNoRows, engine.ErrClosed, engine.ErrConfig, engine.ErrReadOnly, engine.ErrNotAdopted, engine.ErrMigration,
		engine.ErrOverloaded, engine.ErrLeaseExpired, engine.ErrNotApplied, engine.ErrOutcomeUnknown, engine.ErrSnapshotExpired, engine.ErrKilled,
		engine.ErrExpectation, engine.ErrDecimal, engine.ErrReentrant, engine.ErrTxDone, engine.ErrConstraint, engine.ErrBusy, engine.ErrFull,
		engine.ErrIO, engine.ErrCorrupt, engine.ErrNotDatabase, engine.ErrCannotOpen, engine.ErrMoved, engine.ErrInterrupted, engine.ErrOutOfMemory,
		engine.ErrTooBig, engine.ErrArgs, engine.ErrSQL, engine.ErrForbidden, engine.ErrKeyReused, engine.ErrAlreadyApplied, engine.ErrQuarantined,
		engine.ErrSchemaFenced,
		engine.ErrUnavailable}
}

func has(list []int, n int) bool { return slices.Contains(list, n) }
