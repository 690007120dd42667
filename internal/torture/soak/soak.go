package soak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/testdb"
	"github.com/tidegate/engine/internal/torture"
)

const (
	sessions = 100
	accounts = 40
	opening  = 1_000_000
)

// errUndo ends a transaction that is not wanted.
var errUndo = errors.New("soak: changed my mind")

// Scenario is the soak: an hour, five seconds in CI. TIDEGATE_SOAK names another time for the long form.
func Scenario() torture.Scenario {
	return torture.Scenario{Name: "soak", Promise: "P18", Run: Run,
		About: "100 sessions, failing and full disks, cancelled and killed calls, hostile statements; memory, goroutines and descriptors stay level"}
}

func duration(s torture.Scale) (time.Duration, error) {
	if text := os.Getenv("TIDEGATE_SOAK"); s == torture.Long && text != "" {
		return time.ParseDuration(text)
	}
	return torture.Pick(s, 5*time.Second, time.Hour), nil
}

// bath is one run.
type bath struct {
	env      *torture.Env
	db       *engine.DB
	weather  *weather
	sessions []*session
	samples  []sample
}

// Run is the scenario.
func Run(ctx context.Context, e *torture.Env) (result torture.Result, err error) {
	d, err := duration(e.Scale)
	if err != nil {
		return result, err
	}
	b := &bath{env: e, weather: &weather{}}
	if err := b.fill(ctx); err != nil {
		return result, err
	}
	err = b.run(ctx, d)
	err = errors.Join(err, b.check(ctx, &result), b.db.Close())
	b.report(&result)
	err = errors.Join(err, b.logBound(&result))
	marks(b.samples, &result)
	if e.Scale == torture.Long {
		err = errors.Join(err, level(b.samples, &result)) // five seconds are not enough to be level
	}
	return result, err
}

func (b *bath) fill(ctx context.Context) (err error) {
	cfg := engine.DefaultConfig(filepath.Join(b.env.Dir, "soak.db"))
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Writer.StatementTime = 3 * time.Second
	if b.db, err = engine.Open(testdb.WithFaults(ctx, b.weather), cfg); err != nil {
		return err
	}
	batch := engine.NewBatch()
	batch.Exec("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT")
	batch.Exec("CREATE TABLE ledger (session INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (session, n)) STRICT, WITHOUT ROWID")
	batch.Exec("WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM k WHERE i < ?) INSERT INTO account SELECT i, ? FROM k", accounts, opening)
	if _, err := b.db.Batch(ctx, batch); err != nil {
		return errors.Join(err, b.db.Close())
	}
	for i := range sessions {
		b.sessions = append(b.sessions, &session{id: i, db: b.db, rng: b.env.Rand(uint64(i)), kinds: map[string]int{}})
	}
	return nil
}

func (b *bath) run(ctx context.Context, d time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	var wg sync.WaitGroup
	errs := make([]error, sessions)
	for i, s := range b.sessions {
		wg.Go(func() {
			if errs[i] = s.work(ctx); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Go(func() { b.weather.change(ctx, b.env.Rand(1<<32)) })
	every := max(d/120, 100*time.Millisecond)
	for began := time.Now(); ctx.Err() == nil; {
		pause(ctx, every)
		s := measure()
		s.at, s.log = time.Since(began), b.db.Stats().WAL.Bytes
		b.samples = append(b.samples, s)
		if len(b.samples)%4 == 0 {
			b.env.Log("after %v: %d MB, heap %d MB, %d goroutines, %d descriptors, log %d MB", s.at.Round(time.Second), s.rss>>20, s.heap>>20, s.goroutines, s.descriptors, s.log>>20)
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// check compares the ledger with what the sessions were told, once the weather is fine.
func (b *bath) check(ctx context.Context, result *torture.Result) error {
	b.weather.clear()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var err error
	for { // the engine may still have to find out that the disk is well again
		if _, err = b.db.Exec(ctx, "UPDATE account SET balance = balance WHERE id = 1"); err == nil || ctx.Err() != nil {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("no write succeeds in fine weather: %w", err)
	}
	found := make([]map[int64]bool, sessions)
	for i := range found {
		found[i] = map[int64]bool{}
	}
	rows, err := b.db.Query(ctx, "SELECT session, n FROM ledger")
	if err != nil {
		return err
	}
	for row, err := range rows.All() {
		if err != nil {
			return err
		}
		var s, n int64
		if err := row.Scan(&s, &n); err != nil {
			return err
		}
		found[s][n] = true
	}
	lost, ghosts, doubtful := 0, 0, 0
	for i, s := range b.sessions {
		for n, told := range s.lines {
			switch {
			case told == kept && !found[i][int64(n)]:
				lost++
			case told == refused && found[i][int64(n)]:
				ghosts++
			case told == unsure:
				doubtful++
			}
			result.Cases++
		}
	}
	result.Count("lost", lost)
	result.Count("ghosts", ghosts)
	result.Count("outcome_unknown", doubtful)
	var sum int64
	var sound string
	if err := b.db.QueryRow(ctx, "SELECT sum(balance) FROM account").Scan(&sum); err != nil {
		return err
	}
	if err := b.db.QueryRow(ctx, "PRAGMA integrity_check", engine.WithClass(engine.ClassAnalytics)).Scan(&sound); err != nil {
		return err
	}
	if lost > 0 || ghosts > 0 || sum != accounts*opening || sound != "ok" {
		return fmt.Errorf("%d acknowledged transactions are lost, %d refused ones are there, the accounts hold %d of %d, integrity check: %s", lost, ghosts, sum, accounts*opening, sound)
	}
	return nil
}

// logBound holds the log against its cap.
func (b *bath) logBound(result *torture.Result) error {
	highest := int64(0)
	for _, s := range b.samples {
		highest = max(highest, s.log)
	}
	most := engine.DefaultConfig("").WAL.Cap
	result.Add("log_highest", float64(highest>>20), "MB")
	if highest > most {
		return fmt.Errorf("the log grew to %d MB, its cap is %d MB", highest>>20, most>>20)
	}
	return nil
}

func (b *bath) report(result *torture.Result) {
	kinds := map[string]int{}
	for _, s := range b.sessions {
		for k, n := range s.kinds {
			kinds[k] += n
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		result.Count("ended_"+k, kinds[k])
	}
	for i, name := range []string{"read", "write", "sync", "open", "truncate"} {
		result.Count("failed_"+name, int(b.weather.fired[i].Load()))
	}
	result.Count("disk_full", int(b.weather.fulls.Load()))
	ledger := 0
	for _, s := range b.sessions {
		ledger += cap(s.lines)
	}
	result.Add("scenario_ledger", float64(ledger)/1024, "KB")
	st := b.db.Stats()
	result.Count("connections_lost", st.Leaked)
}
