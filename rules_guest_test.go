package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// deskRule is the manifest of the guest in plugins/wasm/testdata/desk.
const deskRule = `name: desk
version: %s
abi: 1
module: desk.wasm
sha256: %s
hooks:
  - {on: validate, table: trades, columns: [id, symbol, qty]}
  - {on: validate, table: plain, columns: [k, symbol, qty], ops: [insert, update]}
limits: {deadline: 10s, memory_pages: 64, fuel: 5000000}
`

// deskModule builds the guest.
func deskModule(t testing.TB) []byte {
	t.Helper()
	return wasmtest.Go(t, filepath.Join("plugins", "wasm", "testdata", "desk"))
}

// desk is a database whose rule is a guest in Go.
type desk struct {
	*engine.DB
	registry *plugins.Registry
	module   []byte
}

// loadDesk brings a version of the rule into service.
func (d *desk) load(t testing.TB, version string, change ...func(*plugins.Manifest)) {
	t.Helper()
	sum := sha256.Sum256(d.module)
	m, err := plugins.ParseManifest(fmt.Appendf(nil, deskRule, version, hex.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(m)
	}
	if _, err := d.registry.Load(t.Context(), m, d.module); err != nil {
		t.Fatal(err)
	}
}

// openDesk makes the database. wrap may put something between the engine and the registry.
func openDesk(t testing.TB, wrap func(contract.Source) contract.Source, change ...func(*engine.Config)) *desk {
	t.Helper()
	cache := t.TempDir()
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	host, err := wasm.New(wasm.Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{registry: plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": host}}), module: deskModule(t)}
	t.Cleanup(d.registry.Close)
	d.load(t, "1.0.0")
	var source contract.Source = d.registry
	if wrap != nil {
		source = wrap(source)
	}
	d.DB = openAt(t, filepath.Join(t.TempDir(), "desk.db"), append([]func(*engine.Config){func(c *engine.Config) { c.Rules.Source = source }}, change...)...)
	for _, q := range []string{
		"CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT, qty INTEGER, ref TEXT UNIQUE) STRICT",
		"CREATE TABLE plain (k TEXT PRIMARY KEY, symbol TEXT, qty INTEGER) STRICT, WITHOUT ROWID",
		"CREATE TABLE staged (id INTEGER PRIMARY KEY, symbol TEXT, qty INTEGER) STRICT",
		"CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT",
		"CREATE TRIGGER mirror AFTER INSERT ON staged WHEN NEW.id >= 1000 BEGIN INSERT INTO trades (id, symbol, qty) VALUES (NEW.id, NEW.symbol, NEW.qty); END",
		"INSERT INTO trades VALUES (1, 'A', 10, 'r1'), (2, 'B', 20, 'r2')",
		"INSERT INTO plain VALUES ('a', 'A', 1)",
		"INSERT INTO staged VALUES (1, 'A', 1), (2, 'B', 0)",
	} {
		if _, err := d.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return d
}

// TestNoWayPastAGuest: whatever statement a row comes by, and through whatever door of the engine, the guest's veto undoes all of it (R2.5).
func TestNoWayPastAGuest(t *testing.T) {
	t.Parallel()
	d := openDesk(t, nil)
	ctx := t.Context()
	std := d.SQL()
	defer std.Close()
	doors := map[string]func(sql string) error{
		"Exec": func(sql string) error { _, err := d.Exec(ctx, sql); return err },
		"Update": func(sql string) error {
			return d.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
				_, _ = tx.Exec(ctx, "INSERT INTO parent DEFAULT VALUES")
				_, _ = tx.Exec(ctx, sql) // swallowed
				return nil
			})
		},
		"Batch": func(sql string) error {
			b := engine.NewBatch()
			b.Exec("INSERT INTO parent DEFAULT VALUES")
			b.Exec(sql)
			_, err := d.Batch(ctx, b)
			return err
		},
		"Prepare": func(sql string) error {
			s, err := d.Prepare(ctx, sql)
			if err == nil {
				_, err = s.Exec(ctx)
			}
			return err
		},
		"database/sql": func(sql string) error { _, err := std.ExecContext(ctx, sql); return err },
	}
	for _, sql := range []string{
		"INSERT INTO trades (id, symbol, qty) VALUES (3, 'C', 0)",
		"INSERT INTO trades (id, symbol, qty) VALUES (3, 'C', 5), (4, 'C', 5), (5, 'C', -1)",
		"INSERT INTO trades (id, symbol, qty) SELECT id + 100, symbol, qty FROM staged",
		"INSERT INTO trades (id, symbol, qty) VALUES (1, 'A', 7) ON CONFLICT (id) DO UPDATE SET qty = -excluded.qty",
		"REPLACE INTO trades (id, symbol, qty) VALUES (1, 'A', 0)",
		"REPLACE INTO trades (id, symbol, qty, ref) VALUES (9, 'A', 0, 'r1')",
		"INSERT OR IGNORE INTO trades (id, symbol, qty) VALUES (1, 'A', 1), (8, 'A', 0)",
		"INSERT OR FAIL INTO trades (id, symbol, qty) VALUES (8, 'A', 0), (1, 'A', 1)",
		"UPDATE trades SET qty = NULL",
		"UPDATE trades SET qty = s.qty FROM staged s WHERE s.symbol = trades.symbol",
		"UPDATE OR REPLACE trades SET id = 2, qty = 0 WHERE id = 1",
		"INSERT INTO staged VALUES (1000, 'C', 0)",
		"INSERT INTO plain VALUES ('b', 'B', 0)",
		"UPDATE plain SET k = 'z', qty = 0",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO trades (id, symbol, qty) SELECT 100 + i, 'N', 400 - i FROM n",
	} {
		for door, do := range doors {
			err := do(sql)
			var rej *engine.RejectedError
			constraint := strings.Contains(sql, "OR FAIL") && errors.Is(err, engine.ErrConstraint) // SQLite itself has undone it
			switch {
			case constraint:
			case !errors.As(err, &rej):
				t.Errorf("%s: %s: %v, want a rejection", door, sql, err)
			case rej.Plugin != "desk" || rej.Version != "1.0.0" || rej.Rule != 1 || rej.Column != "qty" || rej.Reason != "qty must be at least 1" || rej.Receipt.Fuel == 0:
				t.Errorf("%s: %s: %+v", door, sql, rej)
			}
		}
	}
	var bad, all int
	if err := d.QueryRow(ctx, "SELECT (SELECT count(*) FROM trades WHERE qty IS NULL OR qty < 1) + (SELECT count(*) FROM plain WHERE qty < 1), (SELECT count(*) FROM trades) + (SELECT count(*) FROM parent)").Scan(&bad, &all); err != nil {
		t.Fatal(err)
	}
	if bad != 0 || all != 2 {
		t.Errorf("%d invalid rows are there, %d rows in all", bad, all)
	}
}

// TestQuarantinedGuest: after five faults the tables of the rule refuse writes with an error of its own and readiness is red; other tables trade on, and an operator
// ends it.
func TestQuarantinedGuest(t *testing.T) {
	t.Parallel()
	d := openDesk(t, nil)
	ctx := t.Context()
	const good = "INSERT INTO trades (symbol, qty) VALUES ('A', 1)"
	kinds := map[string]plugins.FaultKind{"PANIC": plugins.FaultTrap, "LOOP": plugins.FaultFuel, "GROW": plugins.FaultOutOfMemory, "DEEP": plugins.FaultFuel}
	for i, symbol := range []string{"PANIC", "LOOP", "GROW", "DEEP", "PANIC"} {
		_, err := d.Exec(ctx, "INSERT INTO trades (symbol, qty) VALUES (?, 1)", symbol)
		wantOnly(t, err, engine.ErrRuleFault)
		var rule *engine.RuleFaultError
		var fault *plugins.Fault
		if !errors.As(err, &rule) || !errors.As(rule.Cause, &fault) || fault.Kind != kinds[symbol] || rule.Table != "trades" {
			t.Errorf("%s: %v", symbol, err)
		}
		if _, err := d.Exec(ctx, good); (err == nil) != (i < 4) {
			t.Errorf("after fault %d: %v", i+1, err)
		}
	}
	_, err := d.Exec(ctx, good)
	wantOnly(t, err, engine.ErrPluginQuarantined)
	var q *engine.PluginQuarantinedError
	if !errors.As(err, &q) || engine.Retryable(err) {
		t.Errorf("%v", err)
	}
	began := time.Now()
	for range 50 {
		if _, err := d.Exec(ctx, good); !errors.Is(err, engine.ErrPluginQuarantined) {
			t.Fatal(err)
		}
	}
	if _, err := d.Exec(ctx, "INSERT INTO staged VALUES (3, 'A', -1)"); err != nil {
		t.Errorf("a table without the rule: %v", err)
	}
	if stored, err := d.Rules().Rejections(ctx, 100); err != nil || len(stored) < 6 || len(stored) > 7+int(time.Since(began)/time.Second) {
		t.Errorf("%d verdicts are stored (%v): each refused write says the same", len(stored), err)
	}
	if h := d.Health(ctx); h.OK || h.Level() != engine.HealthDegraded {
		t.Errorf("%+v", h)
	}
	if err := d.registry.Unquarantine("desk"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(ctx, good); err != nil {
		t.Error(err)
	}
	if h := d.Health(ctx); !h.OK {
		t.Errorf("%+v", h)
	}
}

// spy notes which version judged which row.
type spy struct {
	contract.Source
	mu   sync.Mutex
	seen map[int64]map[string]bool // id / 1000 → versions
}

// Acquire implements contract.Source.
func (s *spy) Acquire() contract.Rules {
	r := s.Source.Acquire()
	list := make([]contract.Rule, len(r.List))
	for i, rule := range r.List {
		if list[i] = rule; !rule.Shadow {
			list[i].Validator = spied{rule.Validator, s}
		}
	}
	r.List = list
	return r
}

// spied is a validator under watch.
type spied struct {
	contract.Validator
	s *spy
}

// Validate implements contract.Validator.
func (v spied) Validate(ctx context.Context, b *abi.Batch, at time.Time) (contract.Outcome, error) {
	raw, err := b.Append(nil)
	if err != nil {
		return contract.Outcome{}, err
	}
	rows, err := abi.Decode(raw)
	if err != nil {
		return contract.Outcome{}, err
	}
	v.s.mu.Lock()
	for i := range rows.Len() {
		group := rows.Cell(i, abi.New, 0).Int() / 1000
		if v.s.seen[group] == nil {
			v.s.seen[group] = map[string]bool{}
		}
		v.s.seen[group][v.Identity().Version] = true
	}
	v.s.mu.Unlock()
	return v.Validator.Validate(ctx, b, at)
}

// TestReloadWhileTrading: a thousand writes a second go on while the rule is reloaded again and again. None fails, and no transaction is judged by two
// versions.
func TestReloadWhileTrading(t *testing.T) {
	watch := &spy{seen: map[int64]map[string]bool{}}
	d := openDesk(t, func(s contract.Source) contract.Source { watch.Source = s; return watch }, func(c *engine.Config) { c.Writer.Durability = engine.Relaxed })
	var tx, writes, failed atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			tick := time.NewTicker(12 * time.Millisecond) // 4 × 83/s × 3 statements
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				id := 1000 * tx.Add(1)
				err := d.Update(t.Context(), func(ctx context.Context, x *engine.Tx) error {
					for i := range int64(3) {
						if _, err := x.Exec(ctx, "INSERT INTO trades (id, symbol, qty) VALUES (?, 'R', 1)", id+i); err != nil {
							return err
						}
						runtime.Gosched()
					}
					return nil
				})
				if writes.Add(3); err != nil {
					failed.Add(1)
					t.Errorf("transaction %d: %v", id/1000, err)
				}
			}
		})
	}
	began := time.Now()
	reloads := 0
	met := func() int {
		watch.mu.Lock()
		defer watch.mu.Unlock()
		versions := map[string]bool{}
		for _, seen := range watch.seen {
			maps.Copy(versions, seen)
		}
		return len(versions)
	}
	for reloads < 4 || time.Since(began) < 2*time.Second || met() < 3 && time.Since(began) < 30*time.Second {
		reloads++
		d.load(t, fmt.Sprintf("1.0.%d", reloads))
	}
	close(stop)
	wg.Wait()
	versions := map[string]bool{}
	for group, seen := range watch.seen {
		if group > 0 && len(seen) != 1 {
			t.Errorf("transaction %d was judged by %v", group, seen)
		}
		for v := range seen {
			versions[v] = true
		}
	}
	if len(versions) < 3 {
		t.Errorf("%d versions judged: the reloads and the writes did not meet", len(versions))
	}
	t.Logf("%d reloads, %d versions judged, %.0f writes/s, %d failed", reloads, len(versions), float64(writes.Load())/time.Since(began).Seconds(), failed.Load())
}

// TestVersionOfATransaction: a version that comes into service in the middle of a transaction judges nothing of it, and all of the next one.
func TestVersionOfATransaction(t *testing.T) {
	t.Parallel()
	watch := &spy{seen: map[int64]map[string]bool{}}
	d := openDesk(t, func(s contract.Source) contract.Source { watch.Source = s; return watch })
	d.load(t, "2.0.0", func(m *plugins.Manifest) { m.Policy.Mode = "shadow" })
	const insert = "INSERT INTO trades (id, symbol, qty) VALUES (?, 'A', 1)"
	err := d.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		_, err := tx.Exec(ctx, insert, 5000)
		if err == nil {
			err = d.registry.Promote("desk")
		}
		if err == nil {
			_, err = tx.Exec(ctx, insert, 5001)
		}
		return err
	}, engine.HoldFor(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(t.Context(), insert, 6000); err != nil {
		t.Fatal(err)
	}
	watch.mu.Lock()
	defer watch.mu.Unlock()
	if now, next := watch.seen[5], watch.seen[6]; len(now) != 1 || !now["1.0.0"] || len(next) != 1 || !next["2.0.0"] {
		t.Errorf("the transaction was judged by %v, the next one by %v", now, next)
	}
}

// TestThousandFaultsThroughTheEngine: a rule that fails a thousand times in a row leaves no goroutine, no memory and no transaction behind.
func TestThousandFaultsThroughTheEngine(t *testing.T) {
	d := openDesk(t, nil, func(c *engine.Config) { c.Writer.Durability, c.Rules.Keep = engine.Relaxed, 10 })
	ctx := t.Context()
	fault := func(n int) {
		for range n {
			_, err := d.Exec(ctx, "INSERT INTO trades (symbol, qty) VALUES ('PANIC', 1)")
			if errors.Is(err, engine.ErrPluginQuarantined) {
				if err := d.registry.Unquarantine("desk"); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if !errors.Is(err, engine.ErrRuleFault) {
				t.Fatal(err)
			}
		}
	}
	measure := func() (goroutines int, heap uint64) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	fault(100) // pools and caches fill
	goroutines, heap := measure()
	fault(1200) // every sixth one meets the quarantine
	after, grown := measure()
	for deadline := time.Now().Add(10 * time.Second); (after > goroutines+2 || grown > heap+8<<20) && time.Now().Before(deadline); after, grown = measure() {
		time.Sleep(20 * time.Millisecond)
	}
	if after > goroutines+2 || grown > heap+8<<20 {
		t.Errorf("%d goroutines and %d bytes, then %d and %d", goroutines, heap, after, grown)
	}
	if _, err := d.Exec(ctx, "INSERT INTO trades (symbol, qty) VALUES ('A', 1)"); err != nil && !errors.Is(err, engine.ErrPluginQuarantined) {
		t.Error(err)
	}
	if n := rowCount(t, d.DB, "trades"); n > 3 {
		t.Errorf("%d trades", n)
	}
}
