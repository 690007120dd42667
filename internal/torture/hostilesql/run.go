package hostilesql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/pulse"
)

// Scenario is the hand-written statements and as many mutations of them, each on every lane.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "hostile-sql", Promise: "P5", Run: Run,
		About: "statements that want all memory, never end or nest without bound; callers are back by deadline + 50 ms, everybody else goes on"}
}

const (
	// deadline is what every call is given.
	deadline = 60 * time.Millisecond
	// tolerance is how long after it a caller may be back, less what the machine itself was late.
	tolerance = 50 * time.Millisecond
	// tries is how often a statement must be late to be called late: a machine that others use is late by itself, but not always at one statement.
	tries = 4
	// maxRSS is what the process may occupy at any time: its four lanes' connections at their limits, and the program.
	maxRSS = 3 << 30
)

// Schema is what the statements find.
const Schema = `CREATE TABLE victim (a INTEGER, b, t TEXT, u UNIQUE);
CREATE TABLE probe (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE chain (a INTEGER);
CREATE TABLE fork (a INTEGER);
CREATE TABLE spoon (a INTEGER);
CREATE TRIGGER chain_ai AFTER INSERT ON chain BEGIN INSERT INTO fork VALUES (NEW.a); INSERT INTO fork VALUES (NEW.a); END;
CREATE TRIGGER fork_ai AFTER INSERT ON fork BEGIN INSERT INTO spoon SELECT NEW.a FROM victim; END;
CREATE TRIGGER spoon_ai AFTER INSERT ON spoon BEGIN INSERT INTO chain SELECT NEW.a FROM victim; END;
CREATE VIEW loop AS SELECT * FROM (SELECT a.a FROM victim a, victim b, victim c, victim d);
CREATE VIRTUAL TABLE docs USING fts5(t);
CREATE VIRTUAL TABLE box USING rtree(id, lo, hi);
INSERT INTO probe VALUES (1, 0);
INSERT INTO victim (a, b, t, u) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) SELECT i, hex(randomblob(50)), 'a b c ' || i, i FROM n;
INSERT INTO docs SELECT t FROM victim;
INSERT INTO box SELECT a, a, a + 1 FROM victim;
INSERT INTO chain VALUES (1);`

// ring is where the fight takes place.
type ring struct {
	env    *torture.Env
	db     *engine.DB
	sql    *sql.DB
	pulse  *pulse.Pulse
	others *bystanders
	last   *os.File // the statement under way, for the day on which the process dies of it

	late  []time.Duration // behind the deadline, noise taken out
	raw   time.Duration   // the worst, noise included
	again int             // times that a statement was tried again because it was late
	rss   int64
	kinds map[string]int
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	r := &ring{env: e, kinds: map[string]int{}}
	if err := r.open(ctx); err != nil {
		return result, err
	}
	defer func() {
		err = errors.Join(err, r.close(err == nil))
		r.report(&result)
	}()
	corpus := Corpus()
	for i, stmt := range corpus {
		if e.Scale == torture.Short && i%4 != int(e.Seed%4) {
			continue // one in four, another quarter with every seed
		}
		if err := r.fight(ctx, stmt); err != nil {
			return result, err
		}
		result.Cases++
	}
	rng := e.Rand(1)
	for i := range torture.Pick(e.Scale, 60, 5000) {
		if err := r.fight(ctx, Mutate(rng, corpus)); err != nil {
			return result, fmt.Errorf("mutation %d: %w", i, err)
		}
		result.Cases++
		if i%500 == 499 {
			e.Log("%d statements, worst %v behind its deadline, %d MB", result.Cases, slices.Max(r.late), r.rss>>20)
		}
	}
	return result, nil
}

func (r *ring) open(ctx context.Context) (err error) {
	cfg := engine.DefaultConfig(filepath.Join(r.env.Dir, "ring.db"))
	cfg.Extend.Modules = []engine.Module{engine.FTS5(), engine.RTree()}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Writer.StatementTime = 5 * time.Second
	if r.db, err = engine.Open(ctx, cfg); err != nil {
		return err
	}
	for stmt := range strings.SplitSeq(Schema, ";\n") {
		if strings.HasPrefix(stmt, "CREATE TRIGGER") {
			stmt = strings.TrimSuffix(stmt, ";")
		}
		if _, err := r.db.Exec(ctx, stmt); err != nil {
			return errors.Join(fmt.Errorf("schema: %w", err), r.db.Close())
		}
	}
	r.sql = r.db.SQL()
	// Beside the scenario's directory, which is removed: this one is removed only by a run that ends.
	r.last, err = os.Create(filepath.Join(os.TempDir(), "tidegate-hostile-"+strconv.FormatUint(r.env.Seed, 10)+".sql"))
	if err != nil {
		return errors.Join(err, r.db.Close())
	}
	r.pulse, r.others = pulse.New(), newBystanders(ctx, r.db)
	return nil
}

func (r *ring) close(well bool) error {
	err := r.others.close()
	r.pulse.Close()
	if leaked := r.db.Stats().Leaked; leaked > 0 {
		err = errors.Join(err, fmt.Errorf("%d connections keep their memory though nothing runs on them", leaked))
	}
	err = errors.Join(err, torture.Intact(context.Background(), r.db), r.sql.Close(), r.db.Close(), r.last.Close())
	if well {
		err = errors.Join(err, os.Remove(r.last.Name()))
	}
	return err
}

func (r *ring) report(result *torture.Result) {
	result.Count("calls", len(r.late))
	slices.Sort(r.late)
	if n := len(r.late); n > 0 {
		result.Add("late_p99", ms(r.late[n*99/100]), "ms")
		result.Add("late_worst", ms(r.late[n-1]), "ms")
	}
	result.Add("late_worst_with_noise", ms(r.raw), "ms")
	result.Add("machine_worst", ms(r.pulse.Worst()), "ms")
	result.Count("tried_again", r.again)
	result.Add("rss_worst", float64(r.rss>>20), "MB")
	result.Count("bystander_reads", int(r.others.reads.Load()))
	result.Count("bystander_writes", int(r.others.writes.Load()))
	result.Count("bystander_retried", int(r.others.retried.Load()))
	result.Add("bystander_read_worst", ms(time.Duration(r.others.slowRead.Load())), "ms")
	result.Add("bystander_write_worst", ms(time.Duration(r.others.slowWrite.Load())), "ms")
	for _, kind := range slices.Sorted(func(yield func(string) bool) {
		for k := range r.kinds {
			if !yield(k) {
				return
			}
		}
	}) {
		result.Count("ended_"+kind, r.kinds[kind])
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// fight runs one statement everywhere and looks whether everything still stands.
func (r *ring) fight(ctx context.Context, stmt string) error {
	if err := r.last.Truncate(0); err != nil {
		return err
	}
	if _, err := r.last.WriteAt([]byte(stmt), 0); err != nil {
		return err
	}
	for _, w := range ways() {
		if err := r.within(ctx, w, stmt); err != nil {
			return fmt.Errorf("%s: %w\nstatement (%d bytes): %.300q", w.name, err, len(stmt), stmt)
		}
		if err := r.stands(ctx); err != nil {
			return fmt.Errorf("after %s: %w\nstatement (%d bytes): %.300q", w.name, err, len(stmt), stmt)
		}
	}
	return nil
}

// within makes a call with a deadline and judges when and how it comes back.
func (r *ring) within(parent context.Context, w way, stmt string) error {
	var late time.Duration
	for try := range tries {
		ctx, cancel := context.WithTimeout(parent, deadline)
		began := time.Now()
		err := w.call(ctx, r, stmt)
		back := time.Now()
		due, _ := ctx.Deadline()
		cancel()
		if errors.Is(err, engine.ErrOutcomeUnknown) && errors.Is(err, context.DeadlineExceeded) && r.pulse.Noise(began, back) > tolerance && try < tries-1 {
			r.again++ // the machine stopped us in the middle of a COMMIT, and the time was over
			continue
		}
		if err := r.verdict(err); err != nil {
			return err
		}
		raw := max(0, back.Sub(due))
		late = max(0, raw-r.pulse.Noise(due, back))
		if late <= tolerance || try == tries-1 {
			r.late, r.raw = append(r.late, late), max(r.raw, raw)
			break
		}
		r.again++
	}
	if late > tolerance {
		return fmt.Errorf("back %v after its deadline %d times in a row, the machine's own delay taken out", late, tries)
	}
	return nil
}

// verdict holds an error to the catalogue.
func (r *ring) verdict(err error) error {
	kinds := []error{engine.ErrForbidden, engine.ErrSQL, engine.ErrTooBig, engine.ErrOutOfMemory, engine.ErrInterrupted, engine.ErrConstraint, engine.ErrArgs, engine.ErrReadOnly,
		engine.ErrLeaseExpired, engine.ErrNotApplied, engine.ErrOverloaded, engine.ErrOutcomeUnknown, engine.ErrTxDone, engine.ErrSnapshotExpired, engine.ErrCorrupt, engine.ErrFull,
		engine.ErrIO, engine.ErrBusy, engine.ErrNoRows, engine.ErrUnavailable, engine.ErrStuck, engine.ErrReentrant, context.DeadlineExceeded, errUndo}
	var matched []string
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			matched = append(matched, strings.ReplaceAll(strings.TrimPrefix(kind.Error(), "engine: "), " ", "_"))
		}
	}
	switch {
	case err == nil:
		r.kinds["well"]++
	case len(matched) != 1:
		return fmt.Errorf("the error matches %d kinds %v: %.300w", len(matched), matched, err)
	case errors.Is(err, engine.ErrIO), errors.Is(err, engine.ErrOutcomeUnknown):
		return fmt.Errorf("a statement is no failure of the disk: %w", err)
	default:
		r.kinds[matched[0]]++
	}
	return nil
}

// stands looks whether the next query is answered, and how much memory is in use.
func (r *ring) stands(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, class := range []engine.Class{engine.ClassNormal, engine.ClassAnalytics} {
		var n int64
		if err := r.db.QueryRow(ctx, "SELECT n FROM probe WHERE id = 1", engine.WithClass(class)).Scan(&n); err != nil {
			return fmt.Errorf("the next query: %w", err)
		}
	}
	if err := r.others.failed(); err != nil {
		return fmt.Errorf("somebody else: %w", err)
	}
	rss := residentBytes()
	r.rss = max(r.rss, rss)
	if rss > maxRSS {
		runtime.GC()
		return fmt.Errorf("the process occupies %d MB", rss>>20)
	}
	return nil
}

// residentBytes is what the process occupies; 0 where the system does not tell.
func residentBytes() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
