package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/faultfs"
)

// onceItMay runs a statement that writes, again and again while a breaker refuses it.
func onceItMay(t testing.TB, db *engine.DB, sql string) {
	t.Helper()
	eventually(t, "the end of the breaker", func() bool {
		_, err := db.Exec(t.Context(), sql)
		if err != nil {
			wantOnly(t, err, engine.ErrUnavailable)
		}
		return err == nil
	})
}

// brittle opens a ledger whose file calls fail as the plan says.
func brittle(t *testing.T, change ...func(*engine.Config)) (*engine.DB, *faultfs.Plan) {
	t.Helper()
	return brittleOn(t, nil, change...)
}

func brittleOn(t *testing.T, c clock.Clock, change ...func(*engine.Config)) (*engine.DB, *faultfs.Plan) {
	t.Helper()
	p := &faultfs.Plan{}
	cfg := config(t.TempDir() + "/test.db")
	for _, f := range change {
		f(&cfg)
	}
	db, err := engine.OpenOn(t.Context(), cfg, c, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Clear()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, db, "CREATE TABLE acc (id INTEGER PRIMARY KEY, balance INTEGER)", "INSERT INTO acc VALUES (1, 1000), (2, 1000)")
	return db, p
}

func breakerOf(t testing.TB, db *engine.DB, name string) engine.BreakerStats {
	t.Helper()
	for _, b := range db.Stats().Breakers {
		if strings.HasPrefix(b.Name, name) {
			return b
		}
	}
	return engine.BreakerStats{}
}

// TestTwentyFailuresOpenTheStorageBreaker: the disk fails every write. Writes are refused before they reach it, reads stay up throughout,
// and once the disk is well the probes let writes in again, without anybody's data.
func TestTwentyFailuresOpenTheStorageBreaker(t *testing.T) {
	t.Parallel()
	db, p := brittle(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	reads := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			var n int64
			if err := db.QueryRow(context.Background(), "SELECT sum(balance) FROM acc").Scan(&n); err != nil || n != 2000 && n != 2001 {
				t.Errorf("a read beside the failing disk: %d %v", n, err)
				return
			}
			reads++
		}
	})
	fault := p.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: []sqlite.FileKind{sqlite.FileWAL}, Sticky: true, Err: syscall.EIO})
	calls, refused := 0, error(nil)
	for refused == nil && calls < 100 {
		_, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance + 1")
		switch {
		case errors.Is(err, engine.ErrUnavailable):
			refused = err
		case errors.Is(err, engine.ErrIO), errors.Is(err, engine.ErrOutcomeUnknown):
			calls++
		default:
			t.Fatalf("a write to a disk that fails: %v", err)
		}
	}
	if s := breakerOf(t, db, "storage"); s.Failures < 20 || s.Opened == 0 || refused == nil {
		t.Fatalf("after %d calls: %+v, refused with %v", calls, s, refused)
	}
	var open *engine.BreakerError
	if !errors.As(refused, &open) || open.Name != "storage" || open.RetryAfter <= 0 || !engine.Retryable(refused) {
		t.Errorf("refused with %+v", refused)
	}
	wantText(t, refused, "storage", "input/output error")
	h := db.Health(t.Context())
	if c := check(t, h, "breakers"); c.OK || h.OK || h.Level() != engine.HealthDegraded || !strings.Contains(c.Detail, "storage is") || c.Remedy == "" {
		t.Errorf("%+v", c)
	}
	hits := fault.Hits()
	for range 50 {
		if _, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance + 1"); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("while it is open: %v", err)
		}
	}
	if n := fault.Hits() - hits; n > 10 { // of probes
		t.Errorf("%d more writes reached the disk", n)
	}
	p.Clear()
	onceItMay(t, db, "UPDATE acc SET balance = balance + 1 WHERE id = 1")
	close(stop)
	wg.Wait()
	if n := one(t, db, "SELECT sum(balance) FROM acc"); n != 2001 || reads == 0 {
		t.Errorf("sum %d, %d reads", n, reads)
	}
	if h := db.Health(t.Context()); !h.OK {
		t.Errorf("not well again: %+v", h)
	}
}

// TestOverloadOpensNoBreaker offers five times what the writer's queue and the readers take. Most are refused or run out of time, and no
// breaker opens: load is not a fault.
func TestOverloadOpensNoBreaker(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) {
		c.Writer.Queue, c.Writer.QueueTimeout = 8, 20*time.Millisecond
		c.Readers.Slots, c.Readers.Connections, c.Readers.Queue, c.Readers.QueueTimeout = 1, 1, 4, 5*time.Millisecond
		c.Analytics.Slots, c.Analytics.Connections, c.Analytics.Queue, c.Analytics.QueueTimeout = 1, 1, 4, 5*time.Millisecond
	})
	const long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n"
	var mu sync.Mutex
	outcomes := map[string]int{}
	count := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			outcomes["ok"]++
		case errors.Is(err, engine.ErrOverloaded):
			outcomes["overloaded"]++
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			outcomes["time out"]++
		case errors.Is(err, engine.ErrConstraint):
			outcomes["constraint"]++
		case errors.Is(err, engine.ErrOutcomeUnknown):
			outcomes["unknown"]++
		default:
			outcomes[fmt.Sprintf("%v", err)]++
		}
	}
	var wg sync.WaitGroup
	for g := range 40 {
		wg.Go(func() {
			for i := range 30 {
				switch (g + i) % 5 {
				case 0:
					_, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance + 1 WHERE id = 1", engine.WithTimeout(time.Duration(i)*time.Millisecond))
					count(err)
				case 1:
					count(db.QueryRow(t.Context(), long, engine.WithTimeout(3*time.Millisecond)).Scan(new(int)))
				case 2:
					count(db.QueryRow(t.Context(), long, engine.WithTimeout(3*time.Millisecond), engine.WithClass(engine.ClassAnalytics)).Scan(new(int)))
				case 3:
					count(db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
						_, err := tx.Exec(ctx, "INSERT INTO acc VALUES (1, 1)")
						return err
					}))
				default:
					count(db.QueryRow(t.Context(), "SELECT count(*) FROM acc").Scan(new(int)))
				}
			}
		})
	}
	wg.Wait()
	if outcomes["overloaded"] == 0 || outcomes["time out"] < 20 || outcomes["constraint"] == 0 {
		t.Errorf("this was no overload: %v", outcomes)
	}
	for what := range outcomes {
		switch what {
		case "ok", "overloaded", "time out", "constraint", "unknown":
		default:
			t.Errorf("%d calls ended with %s", outcomes[what], what)
		}
	}
	for _, b := range db.Stats().Breakers {
		if b.State != breaker.Closed || b.Opened != 0 || b.Failures != 0 {
			t.Errorf("%+v", b)
		}
	}
}

// wallClock is a clock whose time was set by hand: it has no monotonic reading, and jumps.
type wallClock struct {
	clock.Clock
	mu     sync.Mutex
	offset time.Duration
}

func (w *wallClock) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Clock.Now().Round(0).Add(w.offset)
}

func (w *wallClock) jump(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

// TestClockJumpsLeaveNoBreakerStuck sets the clock a day on or back while the breaker is open.
func TestClockJumpsLeaveNoBreakerStuck(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		w := &wallClock{Clock: clock.System()}
		db, p := brittleOn(t, w)
		p.Add(faultfs.Rule{Kind: sqlite.OpWrite, Files: []sqlite.FileKind{sqlite.FileWAL}, Sticky: true, Err: syscall.EIO})
		eventually(t, "an open breaker", func() bool {
			_, err := db.Exec(t.Context(), "UPDATE acc SET balance = 1")
			return errors.Is(err, engine.ErrUnavailable)
		})
		w.jump(jump)
		p.Clear()
		began := time.Now()
		onceItMay(t, db, "UPDATE acc SET balance = 2")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("after a jump of %v writes were refused for %v", jump, took)
		}
	}
}

// TestOpeningBreaker: while no connection can be opened, those that are open are used on.
func TestOpeningBreaker(t *testing.T) {
	t.Parallel()
	db, p := brittle(t)
	one(t, db, "SELECT count(*) FROM acc") // leaves a connection behind
	fault := p.Add(faultfs.Rule{Kind: sqlite.OpOpen, Sticky: true, Err: sqlite.ResultCode(14)})
	rows, err := db.Query(t.Context(), "SELECT id FROM acc ORDER BY id")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	defer rows.Close()
	eventually(t, "an open breaker", func() bool { // the one connection is busy: each of these needs another
		err := db.QueryRow(t.Context(), "SELECT 1", engine.WithTimeout(50*time.Millisecond)).Scan(new(int))
		if err == nil {
			t.Fatal("a connection could be opened")
		}
		return errors.Is(err, engine.ErrUnavailable)
	})
	if s := breakerOf(t, db, "open"); s.State == breaker.Closed || s.Failures < 5 {
		t.Errorf("%+v", s)
	}
	hits := fault.Hits()
	for range 50 {
		if err := db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)); err == nil {
			t.Error("a connection could be opened")
		}
	}
	if n := fault.Hits() - hits; n > 10 {
		t.Errorf("%d attempts while it is open", n)
	}
	if !rows.Next() || rows.Err() != nil {
		t.Errorf("the rows that were open: %v", rows.Err())
	}
	exec(t, db, "UPDATE acc SET balance = balance + 1") // the writer's connection is open, too
	p.Clear()
	eventually(t, "new connections", func() bool { return db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)) == nil })
}

// bomb is a statement of which each value is within the limit of values, and all of them are too much for 8 MiB.
var bomb = "SELECT " + strings.Repeat("hex(zeroblob(?1)), ", 12) + "1"

// TestKillersAreRefused: a statement that takes its connection with it three times is refused for a while, and nobody else is.
func TestKillersAreRefused(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now())
	db, _ := brittleOn(t, fake, func(c *engine.Config) {
		c.Readers.Memory, c.Readers.CacheKiB = 8<<20, 512
		c.Analytics.Memory, c.Analytics.CacheKiB = 8<<20, 512
	})
	many := func() []any { // destinations for its columns
		out := make([]any, 13)
		for i := range out {
			out[i] = new(any)
		}
		return out
	}
	killed := 0
	var err error
	for killed < 20 {
		if err = db.QueryRow(t.Context(), bomb, 900_000).Scan(many()...); errors.Is(err, engine.ErrUnavailable) {
			break
		}
		if !errors.Is(err, engine.ErrOutOfMemory) {
			t.Fatalf("what should take more memory than there is: %v", err)
		}
		killed++
	}
	wantOnly(t, err, engine.ErrUnavailable)
	wantText(t, err, "statement")
	if killed > 3 {
		t.Errorf("it took %d connections", killed)
	}
	if b := breakerOf(t, db, "statement"); b.State != breaker.Open {
		t.Errorf("%+v", b)
	}
	if n := one(t, db, "SELECT count(*) FROM acc"); n != 2 {
		t.Error("another statement suffers")
	}
	opened := db.Stats().Readers.Opened
	for range 20 {
		if err := db.QueryRow(t.Context(), bomb, 900_000).Scan(many()...); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	if n := db.Stats().Readers.Opened; n != opened {
		t.Error("a refused statement got as far as a connection")
	}
	fake.Advance(31 * time.Second)
	if err := db.QueryRow(t.Context(), bomb, 2).Scan(many()...); err != nil { // the probe, with arguments that do no harm
		t.Errorf("the probe: %v", err)
	}
	if err := db.QueryRow(t.Context(), bomb, 3).Scan(many()...); err != nil {
		t.Errorf("after a good probe: %v", err)
	}
}
