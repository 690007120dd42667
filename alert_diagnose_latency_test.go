package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/faultfs"
)

// signals are two writes of the class signal.
func signals(s *stage) {
	for range 2 {
		if _, err := s.db.Exec(s.t.Context(), "INSERT INTO t (n, v) VALUES (?, 's')", 999_999, engine.WithClass(engine.ClassSignal), engine.WithName("signal")); err != nil {
			s.t.Error(err)
		}
	}
}

// lookups are two reads of the class signal that need the index of their table.
func lookups(s *stage) {
	for range 2 {
		if err := s.db.QueryRow(s.t.Context(), "SELECT count(*) FROM t a, t b WHERE a.id <= ? AND b.n >= a.n AND b.n < a.n + 1", 150, engine.WithClass(engine.ClassSignal), engine.WithName("signal")).
			Scan(new(int)); err != nil {
			s.t.Error(err)
		}
	}
}

// relaxed leaves the machine's own disk out of it.
func relaxed(c *engine.Config) { c.Writer.Durability = engine.Relaxed }

// pause is how long a cause that takes time takes: enough to be over the limit, and not more.
const pause = 70 * time.Millisecond

// held is a transaction that does something else while it holds the writer; before it lets go, meanwhile is called.
func held(s *stage, name string, d time.Duration, meanwhile func()) {
	err := s.db.Update(s.t.Context(), func(ctx context.Context, tx *engine.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE t SET v = v || 'x' WHERE id = 1"); err != nil {
			return err
		}
		if meanwhile != nil {
			meanwhile()
		}
		time.Sleep(d)
		return nil
	}, engine.WithName(name))
	if err != nil {
		s.t.Log(err)
	}
}

// TestAlertsOfLatency: what makes calls slow is found, and what only is there beside it is not taken for it.
func TestAlertsOfLatency(t *testing.T) {
	t.Parallel()
	for _, x := range latencyIncidents() {
		t.Run(x.name, x.run)
	}
}

func latencyIncidents() []incident {
	return []incident{
		{name: "slow disk", rule: "SignalLatencyHigh", cause: "disk_slow", says: []string{"COMMIT takes", "times the usual"}, within: 16, also: []string{"WriterBusy"}, usual: signals,
			begin: func(s *stage) {
				s.faults.Add(faultfs.Rule{Kind: sqlite.OpSync, Files: []sqlite.FileKind{sqlite.FileWAL}, Sticky: true, Then: func(sqlite.Op) { time.Sleep(pause) }})
			}, end: func(s *stage) { s.faults.Clear() }},
		{name: "index gone", rule: "SignalLatencyHigh", cause: "plan_changed", says: []string{"SELECT t", "t_n", "SCAN b", "times the usual"}, within: 16, usual: lookups,
			begin: func(s *stage) { exec(s.t, s.db, "DROP INDEX t_n") }, end: func(s *stage) { exec(s.t, s.db, "CREATE INDEX t_n ON t (n)") }},
		{name: "waiting for a holder", rule: "SignalLatencyHigh", cause: "writer_held", says: []string{`"fetch prices"`, "between its statements"}, within: 16, also: []string{"WriterBusy"}, usual: signals, config: relaxed,
			each: func(s *stage) {
				done := make(chan struct{})
				held(s, "fetch prices", pause, func() {
					go func() {
						defer close(done)
						signals(s)
					}()
					eventually(s.t, "a signal that waits for the writer", func() bool { return s.db.Stats().Writer.Waiting > 0 })
				})
				<-done
			}},
		{name: "busy with a holder", rule: "WriterBusy", cause: "writer_held", says: []string{`"fetch prices"`, "between its statements"}, within: 16,
			config: func(c *engine.Config) {
				c.Alerts.Limits = []string{"WriterBusy > 1.5% resolve < 1% for 30s hold 20s"}
			},
			each: func(s *stage) { held(s, "fetch prices", 5*pause, nil) }},
		{name: "growth", rule: "AnalyticsSlow", cause: "data_growth", says: []string{"SELECT reports", "rows, and had 2000"}, within: 16,
			config: func(c *engine.Config) {
				c.Telemetry.Interval = 30 * time.Second
				c.Alerts.Limits = []string{"AnalyticsSlow > 100ms resolve < 80ms for 30s"}
				c.Extend.Functions = []engine.Function{{Name: "nap", Args: 1, Scalar: func([]engine.Value) (any, error) {
					time.Sleep(time.Millisecond) // whatever the machine is busy with, the time goes with the rows
					return int64(1), nil
				}}}
			},
			usual: func(s *stage) {
				for range 2 {
					_ = s.db.QueryRow(s.t.Context(), "SELECT sum(nap(n)) FROM reports WHERE n % 1000 = 1", engine.WithClass(engine.ClassAnalytics)).Scan(new(int))
				}
			},
			begin: func(s *stage) {
				exec(s.t, s.db, "INSERT INTO reports (n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 118000) SELECT i FROM c")
			},
			end: func(s *stage) { exec(s.t, s.db, "DELETE FROM reports WHERE id > 2000") }},
	}
}
