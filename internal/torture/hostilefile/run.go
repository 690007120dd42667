package hostilefile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/torture"
)

// Scenario is every page of three databases, forged headers, logs and schemas, and things that are no files.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "hostile-files", Promise: "P5", Run: Run,
		About: "random bytes in every page, forged -wal, -shm and schemas, devices and pipes as databases; every call comes back, every error has a kind"}
}

const (
	// limit is the deadline of a call on a damaged database.
	limit = 500 * time.Millisecond
	// hung is after how long a call counts as one that does not come back. A busy machine is far from it.
	hung = 20 * time.Second
)

// lab is where databases are broken.
type lab struct {
	env    *torture.Env
	kinds  map[string]int
	calls  int
	opened int           // of the damaged databases
	late   time.Duration // the worst behind a deadline
	last   string
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	l := &lab{env: e, kinds: map[string]int{}}
	all, err := images(ctx, e)
	if err != nil {
		return result, err
	}
	defer func() { l.report(&result) }()
	for n, i := range all {
		if err := l.damage(ctx, e.Rand(uint64(n)), i, all[(n+1)%2], &result.Cases); err != nil {
			return result, fmt.Errorf("%s, %s: %w", i.name, l.last, err)
		}
		e.Log("%s: %d cases so far, %d could be opened", i.name, result.Cases, l.opened)
	}
	n, err := l.notFiles(ctx)
	result.Cases += n
	if err != nil {
		return result, fmt.Errorf("%s: %w", l.last, err)
	}
	for n := range torture.Pick(e.Scale, 6, 120) {
		if err := l.underfoot(ctx, e.Rand(1000+uint64(n)), all[n%2], n); err != nil {
			return result, fmt.Errorf("%s: %w", l.last, err)
		}
		result.Cases++
	}
	return result, nil
}

// damage tries every page and everything else on one database.
func (l *lab) damage(ctx context.Context, rng *rand.Rand, i, other *image, cases *int) error {
	try := func(f files) error {
		*cases++
		return l.use(ctx, rng, f)
	}
	step := torture.Pick(l.env.Scale, 16, 1)
	for round := range torture.Pick(l.env.Scale, 1, 4) {
		for page := (round + int(l.env.Seed)) % step; page < i.pages(); page += step {
			f := pageDamage(rng, i, page)
			f.what = fmt.Sprintf("page %d: %s", page+1, f.what)
			if err := try(f); err != nil {
				return err
			}
		}
	}
	for range torture.Pick(l.env.Scale, 6, 150) {
		for _, f := range []files{headerDamage(rng, i), lengthDamage(rng, i), besideDamage(rng, i, other), schemaDamage(rng, i)} {
			if err := try(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) report(result *torture.Result) {
	result.Count("calls", l.calls)
	result.Count("opened", l.opened)
	result.Add("late_worst", float64(l.late)/1e6, "ms")
	for _, k := range slices.Sorted(maps.Keys(l.kinds)) {
		result.Count("ended_"+k, l.kinds[k])
	}
}

// use lays out the files, opens them as a program would, and does all that a program does.
func (l *lab) use(ctx context.Context, rng *rand.Rand, f files) error {
	l.last = f.what
	path := filepath.Join(l.env.Dir, "case.db")
	for suffix, data := range map[string][]byte{"": f.db, "-wal": f.wal, "-shm": f.shm, "-journal": f.journal} {
		if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
			return err
		}
		if data == nil {
			continue
		}
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			return err
		}
	}
	defer os.Remove(path + ".before-adoption")
	cfg := configOf(path)
	switch rng.IntN(4) {
	case 0:
		cfg.ReadOnly = true
	case 1:
		cfg.Adopt = true
	}
	return l.open(ctx, cfg)
}

// open opens what is there and, where that succeeds, works with it.
func (l *lab) open(ctx context.Context, cfg engine.Config) error {
	var db *engine.DB
	err := l.call(ctx, "Open", 10*limit, func(ctx context.Context) (err error) {
		db, err = engine.Open(ctx, cfg)
		return err
	})
	if err != nil || db == nil {
		return err
	}
	l.opened++
	return errors.Join(l.work(ctx, db), l.call(ctx, "Close", 10*time.Second, func(context.Context) error { return db.Close() }))
}

func (l *lab) work(ctx context.Context, db *engine.DB) error {
	var tables []string
	err := l.call(ctx, "list of tables", limit, func(ctx context.Context) error {
		rows, err := db.Query(ctx, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
		if err != nil {
			return err
		}
		defer rows.Close()
		for row, err := range rows.All() {
			if err != nil {
				return err
			}
			var name []byte
			if err := row.Scan(&name); err != nil {
				return err
			}
			tables = append(tables, string(name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range tables[:min(len(tables), 40)] {
		if err := l.read(ctx, db, `SELECT * FROM "`+strings.ReplaceAll(name, `"`, `""`)+`" ORDER BY 1 DESC LIMIT 300`); err != nil {
			return err
		}
	}
	for _, stmt := range []string{"PRAGMA integrity_check", "PRAGMA foreign_key_check", "SELECT count(*), sum(length(g)), max(s) FROM plain", "SELECT * FROM plain WHERE a > 'name 2' ORDER BY a, b",
		"SELECT * FROM both ORDER BY g", "SELECT * FROM words WHERE words MATCH 'many NOT 7*' ORDER BY rank", "SELECT id FROM boxes WHERE lo > 10 AND hi < 90", "SELECT v FROM worid WHERE k BETWEEN 'key 1' AND 'key 3'"} {
		if err := l.read(ctx, db, stmt); err != nil {
			return err
		}
	}
	for _, stmt := range []string{"INSERT INTO plain (a, b, c) VALUES ('name 5', 1, zeroblob(5000))", "UPDATE plain SET a = a || '!', c = zeroblob(3000) WHERE id % 3 = 0", "DELETE FROM worid WHERE v % 2", "DELETE FROM plain WHERE id < 50",
		"INSERT INTO words VALUES ('more of many words')", "DELETE FROM words WHERE rowid % 2", "INSERT INTO words (words) VALUES ('integrity-check')", "UPDATE boxes SET hi = hi + 1", "CREATE TABLE more AS SELECT * FROM plain", "REINDEX", "DROP TABLE child",
		"ALTER TABLE worid ADD COLUMN n INTEGER", "UPDATE Track SET Name = Name || 'x'", "DELETE FROM Customer"} {
		if err := l.call(ctx, stmt, limit, func(ctx context.Context) error {
			_, err := db.Exec(ctx, stmt)
			return err
		}); err != nil {
			return err
		}
	}
	return l.call(ctx, "Health", 6*time.Second, func(ctx context.Context) error {
		db.Health(ctx)
		return nil
	})
}

func (l *lab) read(ctx context.Context, db *engine.DB, stmt string) error {
	return l.call(ctx, stmt, limit, func(ctx context.Context) error {
		rows, err := db.Query(ctx, stmt)
		if err != nil {
			return err
		}
		return torture.Take(rows, 10_000)
	})
}

// call makes a call with a deadline. The error of the call is judged and counted, and is none of the scenario's.
func (l *lab) call(parent context.Context, what string, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, d)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- &panicked{p}
			}
		}()
		done <- f(ctx)
	}()
	alarm := time.NewTimer(d + hung)
	defer alarm.Stop()
	l.calls++
	select {
	case err := <-done:
		due, _ := ctx.Deadline()
		l.late = max(l.late, time.Since(due))
		return l.verdict(what, err)
	case <-alarm.C:
		return fmt.Errorf("%s: no answer %v after its deadline", what, hung)
	}
}

// panicked is what a call must not do.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func (l *lab) verdict(what string, err error) error {
	if err == nil {
		l.kinds["well"]++
		return nil
	}
	var matched []string
	for _, kind := range []error{engine.ErrNotDatabase, engine.ErrCorrupt, engine.ErrCannotOpen, engine.ErrIO, engine.ErrReadOnly, engine.ErrNotAdopted, engine.ErrSQL, engine.ErrConstraint, engine.ErrForbidden, engine.ErrTooBig, engine.ErrConfig,
		engine.ErrOutOfMemory, engine.ErrInterrupted, engine.ErrLeaseExpired, engine.ErrNotApplied, engine.ErrOverloaded, engine.ErrOutcomeUnknown, engine.ErrMoved, engine.ErrBusy, engine.ErrFull, engine.ErrMigration, engine.ErrQuarantined, engine.ErrUnavailable, engine.ErrTxDone, engine.ErrArgs, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			matched = append(matched, strings.ReplaceAll(strings.TrimPrefix(kind.Error(), "engine: "), " ", "_"))
		}
	}
	if len(matched) != 1 {
		return fmt.Errorf("%s: the error matches %v of the catalogue: %w", what, matched, err)
	}
	l.kinds[matched[0]]++
	return nil
}
