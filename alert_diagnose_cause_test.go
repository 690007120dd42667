package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// TestAlertCauses: causes besides those that lead to the default alerts most directly, put into a database that is at work.
func TestAlertCauses(t *testing.T) {
	t.Parallel()
	for _, x := range causeIncidents() {
		t.Run(x.cause, x.run)
	}
}

// napping makes the SQL function nap, which takes as long as told for each row that it is asked about: whatever the machine is busy with, the time goes
// with the rows.
func napping(d *atomic.Int64) func(*engine.Config) {
	return func(c *engine.Config) {
		c.Extend.Functions = append(c.Extend.Functions, engine.Function{Name: "nap", Args: 1, Scalar: func([]engine.Value) (any, error) {
			time.Sleep(time.Duration(d.Load()))
			return int64(1), nil
		}})
	}
}

func set(d time.Duration) *atomic.Int64 {
	a := new(atomic.Int64)
	a.Store(int64(d))
	return a
}

// both applies two changes of a configuration.
func both(a, b func(*engine.Config)) func(*engine.Config) {
	return func(c *engine.Config) { a(c); b(c) }
}

// withLimit gives a default rule other limits.
func withLimit(text string) func(*engine.Config) {
	return func(c *engine.Config) { c.Alerts.Limits = append(c.Alerts.Limits, text) }
}

// slowReports are analytics that are slow from a tenth of a second on.
const slowReports = "AnalyticsSlow > 100ms resolve < 80ms for 30s"

func causeIncidents() []incident {
	host, judge, strict := set(0), &sluggish{}, &sluggish{}
	return []incident{
		{name: "heavy writes", rule: "WriterBusy", cause: "heavy_write", says: []string{`"rebuild"`, "works"}, within: 16,
			config: both(napping(set(time.Millisecond)), withLimit("WriterBusy > 1.5% resolve < 1% for 30s hold 20s")),
			each: func(s *stage) {
				err := s.db.Update(s.t.Context(), func(ctx context.Context, tx *engine.Tx) error {
					_, err := tx.Exec(ctx, "UPDATE t SET v = 'r' WHERE id BETWEEN 100 AND 450 AND nap(id)")
					return err
				}, engine.WithName("rebuild"))
				if err != nil {
					s.t.Error(err)
				}
			}},
		{name: "a writer of another program", rule: "SignalLatencyHigh", cause: "foreign_writer", says: []string{"another program writes", "met its lock"}, within: 16, also: []string{"WriterBusy"}, usual: signals,
			config: relaxed, begin: func(s *stage) { s.last = s.outsider() },
			each: func(s *stage) {
				other, done := s.last.(func(...string)), make(chan struct{})
				other("BEGIN IMMEDIATE", "UPDATE strict_one SET v = 'theirs'")
				go func() {
					defer close(done)
					signals(s)
				}()
				time.Sleep(2 * pause)
				other("COMMIT")
				<-done
			}},
		{name: "other values", rule: "AnalyticsSlow", cause: "skewed_bindings", says: []string{"SELECT t", "asked for values that more rows have"}, within: 16,
			config: both(both(napping(set(time.Millisecond)), withLimit(slowReports)), func(c *engine.Config) { c.Telemetry.Interval = 30 * time.Second }),
			usual:  func(s *stage) { report(s, 2); report(s, 2) },
			each:   func(s *stage) { report(s, 500); report(s, 500); report(s, 500) }},
		{name: "a slow machine", rule: "SignalLatencyHigh", cause: "host_slow", says: []string{"all statements are slower at the same number of steps"}, within: 16,
			config: napping(host), usual: func(s *stage) {
				for _, column := range []string{"n", "v", "id", "n + id", "n - id", "n * id", "id - n", "abs(n)", "abs(id)", "length(v)", "upper(v)", "lower(v)"} { // most of all that is done
					_ = s.db.QueryRow(s.t.Context(), "SELECT "+column+" FROM t WHERE id = ? AND nap(id)", 3, engine.WithClass(engine.ClassSignal)).Scan(new(string))
				}
			}, begin: func(*stage) { host.Store(int64(pause)) }, end: func(*stage) { host.Store(0) }},
		{name: "a slow plug-in", rule: "SignalLatencyHigh", cause: "plugin_slow", says: []string{"plug-ins take"}, within: 16, also: []string{"WriterBusy"}, usual: signals,
			config: both(relaxed, func(c *engine.Config) { c.Rules.Source = judge }),
			begin:  func(*stage) { judge.takes.Store(int64(pause)) }, end: func(*stage) { judge.takes.Store(0) }},
		{name: "more work", rule: "WriterBusy", cause: "load", says: []string{"statements come in a second", "times the usual"}, within: 16,
			config: both(relaxed, withLimit("WriterBusy > 0.5% resolve < 0.3% for 30s hold 20s")),
			each: func(s *stage) {
				busy := s.db.Stats().Writer.Busy
				for i := 0; i < 200 || s.db.Stats().Writer.Busy-busy < 80*time.Millisecond; i++ {
					if _, err := s.db.Exec(s.t.Context(), "UPDATE t SET n = ? WHERE id = ?", 10_000+s.passed+i, 100+i%1000, engine.WithName("feed")); err != nil {
						s.t.Fatal(err)
					}
				}
			}},
		{name: "rows that are refused", rule: "Refused", cause: "rows_rejected", says: []string{"rules refused", "limits"}, within: 16,
			config: func(c *engine.Config) {
				c.Rules.Source = strict
				c.Alerts.Rules = []engine.AlertRule{{Name: "Refused", When: "increase(validation.rejected[1m]) > 3 resolve < 1", Severity: engine.AlertWarning}}
			}, begin: func(*stage) { strict.refuses.Store(true) }, end: func(*stage) { strict.refuses.Store(false) },
			each: func(s *stage) {
				for range 2 {
					if _, err := s.db.Exec(s.t.Context(), "INSERT INTO t (n, v) VALUES (1, 'bad')"); err == nil {
						s.t.Error("the row was not refused")
					}
				}
			}},
		{name: "calls that come too thick", rule: "PoolQueueTimeouts", cause: "overloaded", says: []string{"calls were turned away"}, within: 30, also: []string{"ErrorRate"},
			config: func(c *engine.Config) {
				c.Analytics.Connections, c.Analytics.Slots, c.Analytics.QueueTimeout = 8, 1, 5*time.Millisecond
				napping(set(time.Millisecond))(c)
			},
			each: func(s *stage) {
				done := make(chan struct{}, 6)
				for range cap(done) {
					go func() { report(s, 30); done <- struct{}{} }()
				}
				for range cap(done) {
					<-done
				}
			}},
	}
}

// report is a statement of analytics over so many rows.
func report(s *stage, n int) {
	_ = s.db.QueryRow(s.t.Context(), "SELECT sum(nap(n)) FROM t WHERE n BETWEEN 1 AND ?", n, engine.WithClass(engine.ClassAnalytics), engine.WithName("report of the day")).Scan(new(int))
}

// sluggish is a source of one rule about t, which takes its time, or refuses rows.
type sluggish struct {
	takes   atomic.Int64
	refuses atomic.Bool
}

func (s *sluggish) Acquire() contract.Rules {
	return contract.Rules{Generation: 1, List: []contract.Rule{{Table: "t", Ops: contract.OnInsert, Columns: []string{"id", "v"}, Validator: s}}}
}

func (s *sluggish) Identity() contract.Identity {
	return contract.Identity{Name: "limits", Version: "1.2"}
}

func (s *sluggish) Validate(_ context.Context, _ *abi.Batch, _ time.Time) (out contract.Outcome, err error) {
	time.Sleep(time.Duration(s.takes.Load()))
	if s.refuses.Load() {
		out.Verdicts = []abi.Record{{Action: abi.Reject, Row: 0, Message: "no"}}
	}
	return out, nil
}
