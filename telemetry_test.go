package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/enginetest"
)

// observed opens a database on a file whose telemetry is stored, with a clock that the test turns.
func observed(t testing.TB, clock *enginetest.Clock, change func(*engine.Config)) *engine.DB {
	t.Helper()
	return enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithSQL("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER) STRICT"),
		enginetest.WithConfig(func(c *engine.Config) {
			c.Logger = slog.New(slog.DiscardHandler)
			c.Telemetry.Store = true
			if change != nil {
				change(c)
			}
		}))
}

func monday() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// What is done shows in the text for Prometheus at once, and in the telemetry database after an interval.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	clock := enginetest.NewClock(monday())
	db := observed(t, clock, nil)
	for i := range 20 {
		if _, err := db.Exec(t.Context(), "INSERT INTO t (v, n) VALUES (?, ?)", "v", i, engine.WithClass(engine.ClassTrade)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO nothing VALUES (1)"); err == nil {
		t.Fatal("a table that is not there was written")
	}
	var text strings.Builder
	if err := db.Telemetry().WriteMetrics(&text, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`db_client_operation_duration_seconds_count{db_operation_name="INSERT",db_system_name="sqlite",engine_class="trade"} 20`,
		`engine_errors_total{error_type="sql"} 1`, "engine_writer_busy_time_seconds_total ", `db_client_connection_max{db_client_connection_pool_name="reader"} `, "# EOF"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	for range 13 { // two minutes and an interval
		clock.Advance(10 * time.Second)
	}
	var got []engine.MetricSeries
	enginetest.Eventually(t, "stored metrics", func() bool {
		clock.Advance(10 * time.Second) // a tick that the engine was too busy for is lost
		var err error
		got, err = db.Telemetry().Metrics(t.Context(), engine.MetricQuery{Name: "db.client.operation.duration", Labels: []engine.MetricLabel{{Key: "engine.class", Value: "trade"}},
			From: monday().Add(-time.Hour), To: clock.Now(), Step: 10 * time.Second})
		return err == nil && len(got) == 1
	})
	if p := got[0].Points; len(p) != 1 || p[0].Count != 20 || len(p[0].Quantiles) != 3 {
		t.Errorf("%+v", got)
	}
	if _, err := db.Telemetry().Metrics(t.Context(), engine.MetricQuery{Name: "engine.errors"}); err == nil || !errors.As(err, new(*engine.MetricQueryError)) {
		t.Errorf("a query without a time: %v", err)
	}
}

// Where telemetry is off nothing of it is there, and where its file cannot be opened the database works.
func TestTelemetryOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := engine.DefaultConfig(filepath.Join(dir, "a.db"))
	cfg.Logger, cfg.Telemetry.Measure = slog.New(slog.DiscardHandler), false
	cfg.Telemetry.Store = true
	off, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, slow := off.Telemetry().Slow(t.Context(), engine.SlowFilter{})
	_, metrics := off.Telemetry().Metrics(t.Context(), engine.MetricQuery{})
	for _, err := range []error{slow, metrics, off.Telemetry().WriteMetrics(&strings.Builder{}, false)} {
		if !errors.Is(err, engine.ErrNotStored) {
			t.Errorf("%v", err)
		}
	}
	if err := off.Close(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*telemetry*")); len(files) > 0 {
		t.Errorf("%v", files)
	}
	cfg = engine.DefaultConfig(filepath.Join(dir, "b.db"))
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Telemetry.Store, cfg.Telemetry.Path = true, filepath.Join(dir, "missing", "t.db")
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), "CREATE TABLE t (x)"); err != nil {
		t.Error(err)
	}
	if _, err := db.Telemetry().Metrics(t.Context(), engine.MetricQuery{Name: "x"}); !errors.Is(err, engine.ErrNotStored) {
		t.Errorf("%v", err)
	}
}

func TestTelemetryConfig(t *testing.T) {
	t.Parallel()
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Telemetry.Interval, cfg.Telemetry.Limit = 7*time.Second, 100
	cfg.Telemetry.Slow.Signal, cfg.Telemetry.Slow.Bindings = -1, 9
	err := cfg.Check()
	for _, key := range []string{"telemetry.interval", "telemetry.limit", "telemetry.slow.signal", "telemetry.slow.bindings"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not in %v", key, err)
		}
	}
}

// A slow statement is logged with the plan that its bindings lead to, whoever held the writer, and none of its values; it is replayed with them.
func TestTelemetrySlow(t *testing.T) {
	t.Parallel()
	db := observed(t, enginetest.NewClock(monday()), func(c *engine.Config) { c.Writer.QueueTarget = 0 })
	if _, err := db.Exec(t.Context(), "INSERT INTO t (v, n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 20000) SELECT 'secret' || i, i FROM c"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(t.Context(), "SELECT id FROM t WHERE v = ? AND n <> 77077", "secret19999", engine.WithName("lookup")).Scan(&n); err != nil {
		t.Fatal(err)
	}
	list, err := db.Telemetry().Slow(t.Context(), engine.SlowFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var e *engine.SlowEntry
	for i := range list {
		if list[i].Caller == "lookup" {
			e = &list[i]
		}
	}
	if e == nil || !slices.Contains(e.Reasons, "scan") || len(e.Plan) != 1 || e.Plan[0].Detail != "SCAN t" || strings.Join(e.Bindings, " ") != "TEXT(11)" || e.Work.FullScanSteps < 19_000 ||
		e.Text != "SELECT id FROM t WHERE v = ? AND n <> ?" {
		t.Fatalf("%+v", list)
	}
	runs, err := db.Telemetry().Replay(t.Context(), e.Fingerprint)
	if err != nil || len(runs) < 1 || runs[0].Rows != 1 || runs[0].VMSteps < 10_000 || len(runs[0].Plan) != 1 {
		t.Errorf("%+v, %v", runs, err)
	}
	if _, err := db.Telemetry().Replay(t.Context(), "1234"); !errors.Is(err, engine.ErrArgs) {
		t.Errorf("an unknown fingerprint: %v", err)
	}
	if s := db.Telemetry().Statements(100); len(s) < 2 || s[0].Calls == 0 {
		t.Errorf("%+v", s)
	}
}

// Who waited for the writer says for whom.
func TestTelemetryHolder(t *testing.T) {
	t.Parallel()
	db := observed(t, enginetest.NewClock(monday()), func(c *engine.Config) { c.Telemetry.Slow.Other, c.Writer.QueueTarget = 20*time.Millisecond, 0 })
	inside, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- db.Update(t.Context(), func(ctx context.Context, tx *engine.Tx) error {
			close(inside)
			for end := (time.Time{}); end.IsZero() || time.Now().Before(end); {
				if end.IsZero() && db.Stats().Writer.Waiting > 0 {
					end = time.Now().Add(60 * time.Millisecond)
				}
				if _, err := tx.Exec(ctx, "UPDATE t SET n = n + 1 WHERE id = 1"); err != nil {
					return err
				}
			}
			return nil
		}, engine.WithName("end of day"), engine.HoldFor(10*time.Second))
	}()
	<-inside
	if _, err := db.Exec(t.Context(), "INSERT INTO t (v) VALUES (?)", "x", engine.WithName("waiter")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	list, err := db.Telemetry().Slow(t.Context(), engine.SlowFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Caller == "waiter" {
			if e.Queue < 10*time.Millisecond || e.Holder != "end of day" {
				t.Errorf("waited %v for %q", e.Queue, e.Holder)
			}
			return
		}
	}
	t.Errorf("%+v", list)
}

// No literal and no bound value is anywhere in the telemetry database or in the text for Prometheus under the default policy, whatever is run and however it fails.
func TestTelemetryHoldsNoValues(t *testing.T) {
	t.Parallel()
	db := observed(t, enginetest.NewClock(monday()), func(c *engine.Config) {
		c.Telemetry.Slow.Signal, c.Telemetry.Slow.Analytics, c.Telemetry.Slow.Other = 0, 0, 0
	})
	const secret = "Tr0ub4dor"
	for i := range 60 {
		value := fmt.Sprintf("%s%d", secret, i)
		for _, sql := range []string{"INSERT INTO t (v) VALUES ('" + value + "')", "SELECT * FROM t WHERE v = \"" + value + "\"", "SELECT v FROM t WHERE v LIKE '%" + value + "' /* " + value + " */",
			"SELECT '" + value + "' AS x, count(*) FROM t GROUP BY v || '" + value + "'", "SELECT json_extract('{\"a\":\"" + value + "\"}', '$.b') -- " + value,
			"INSERT INTO nothing VALUES ('" + value + "')", "SELECT x'" + fmt.Sprintf("%x", value) + "'", "SELECT '" + value} {
			if rows, err := db.Query(t.Context(), sql); err == nil {
				for rows.Next() {
				}
				rows.Close()
			}
		}
		for _, sql := range []string{"INSERT INTO t (v) VALUES (?)", "SELECT * FROM t WHERE v = ?", "SELECT v FROM t WHERE v IN (?, 'x') ORDER BY v", "UPDATE t SET v = v WHERE v = ?", "INSERT INTO t (id) VALUES (?)"} {
			if rows, err := db.Query(t.Context(), sql, value); err == nil {
				for rows.Next() {
				}
				rows.Close()
			}
		}
	}
	var text strings.Builder
	if err := db.Telemetry().WriteMetrics(&text, true); err != nil {
		t.Fatal(err)
	}
	list, err := db.Telemetry().Slow(t.Context(), engine.SlowFilter{Limit: 1 << 20})
	if err != nil || len(list) < 30 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	shown, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	path := telemetryPath(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(path)
	if err != nil || len(stored) < 1<<14 {
		t.Fatalf("%d bytes, %v", len(stored), err)
	}
	for what, b := range map[string]string{"the metrics": text.String(), "the log": string(shown), "the file": string(stored)} {
		if i := strings.Index(b, secret); i >= 0 {
			t.Errorf("%s quote a value: …%s…", what, b[max(0, i-200):min(len(b), i+50)])
		}
		if strings.Contains(b, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s quote a blob", what)
		}
	}
}

func telemetryPath(db *engine.DB) string {
	loc, err := sqlite.ParseURL(db.Config().URL)
	if err != nil {
		return ""
	}
	return loc.Path + ".telemetry.db"
}

func TestExplain(t *testing.T) {
	t.Parallel()
	db := observed(t, enginetest.NewClock(monday()), nil)
	for sql, want := range map[string]string{"SELECT * FROM t WHERE id = ?": "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)", "DELETE FROM t WHERE v = ?": "SCAN t"} {
		plan, err := db.Explain(t.Context(), sql, 7)
		if err != nil || len(plan) != 1 || plan[0].Detail != want {
			t.Errorf("%s: %+v, %v", sql, plan, err)
		}
	}
	if _, err := db.Explain(t.Context(), "SELECT * FROM nothing WHERE v = 'secret'"); !errors.Is(err, engine.ErrSQL) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if _, err := db.Explain(t.Context(), "SELECT ?"); !errors.Is(err, engine.ErrArgs) {
		t.Errorf("%v", err)
	}
}

// A statement that is measured and watched costs the caller no allocation.
func TestTelemetryAllocates(t *testing.T) {
	const runs = 2000
	reader := func(measure bool) (allocations func() float64) {
		db := enginetest.Open(t, enginetest.WithSQL("CREATE TABLE t (id INTEGER PRIMARY KEY)"), enginetest.WithConfig(func(c *engine.Config) { c.Telemetry.Measure = measure }))
		ctx := t.Context()
		read := func() {
			rows, err := db.Query(ctx, "SELECT id FROM t WHERE id = ?", 7)
			if err != nil {
				t.Fatal(err)
			}
			rows.Next()
		}
		for range 100 {
			read()
		}
		return func() float64 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range runs {
				read()
			}
			runtime.ReadMemStats(&after)
			return float64(after.Mallocs-before.Mallocs) / runs // a mean and no whole number: under the race detector pools forget at random
		}
	}
	// What runs beside it allocates too, most of all in the moments after a start: what a read itself allocates is there in every round, as one more or none.
	off, on := math.Inf(1), math.Inf(1)
	for allocations, n := reader(false), 0; n < 10; n++ {
		off = min(off, allocations())
	}
	for allocations, began := reader(true), time.Now(); on > off+0.9 && time.Since(began) < 20*time.Second; {
		on = min(on, allocations())
	}
	if on > off+0.9 {
		t.Errorf("%.2f allocations instead of %.2f", on, off)
	}
}
