package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/sdk/contract"
)

// TestAlertsOfWork: what callers, plug-ins and those who take telemetry do.
func TestAlertsOfWork(t *testing.T) {
	t.Parallel()
	for _, x := range workIncidents(t) {
		t.Run(x.name, x.run)
	}
}

func workIncidents(t *testing.T) []incident {
	ailing := &outOfService{}
	receiver := &receiver{}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	return []incident{
		{name: "wrong SQL", rule: "ErrorRate", cause: "caller_errors", says: []string{"× sql", "% of the errors"}, within: 40,
			usual: func(s *stage) {
				for range 5 {
					business(s)
				}
			}, each: func(s *stage) {
				if _, err := s.db.Exec(s.t.Context(), "INSERT INTO nowhere VALUES (1)"); err == nil {
					s.t.Error("a table that is not there was written")
				}
			}},
		{name: "connections that are held", rule: "PoolQueueTimeouts", cause: "pool_held", says: []string{"all 2 connections of the reader lane", `"slow consumer"`}, within: 20,
			config: func(c *engine.Config) {
				c.Readers.Connections, c.Readers.Slots, c.Readers.QueueTimeout = 2, 2, 20*time.Millisecond
			}, begin: func(s *stage) {
				s.last = []func(){hold(s, engine.WithName("slow consumer")), hold(s, engine.WithName("slow consumer"))}
			}, end: func(s *stage) {
				for _, end := range s.last.([]func()) {
					end()
				}
			}},
		{name: "transactions that are ended", rule: "WriterLimits", cause: "writer_held", says: []string{`"fetch prices"`}, within: 20,
			config: func(c *engine.Config) { relaxed(c); c.Writer.Hold = 50 * time.Millisecond },
			each:   func(s *stage) { held(s, "fetch prices", 2*pause, nil) }},
		{name: "a plug-in out of service", rule: "PluginQuarantined", cause: "plugin_faults", says: []string{"limits 1.2"}, within: 10,
			config: func(c *engine.Config) { c.Rules.Source = ailing },
			begin:  func(*stage) { ailing.out.Store(true) }, end: func(*stage) { ailing.out.Store(false) }},
		{name: "a receiver of spans that fails", rule: "TelemetryDropping", cause: "exporter_behind", says: []string{"spans were dropped", "the sink failed"}, within: 20,
			config: func(c *engine.Config) { minutely(c); c.Trace.Sink = receiver },
			usual: func(s *stage) {
				if err := s.db.Trace().Flush(s.t.Context()); err != nil { // spans leave in real time
					s.t.Error(err)
				}
			},
			begin: func(*stage) { receiver.broken.Store(true) }, end: func(*stage) { receiver.broken.Store(false) }},
		{name: "a telemetry database that was spoilt", rule: "TelemetryDropping", cause: "telemetry_store", says: []string{"were not stored", ".telemetry.db"}, within: 20,
			config: func(c *engine.Config) { minutely(c); c.Telemetry.Store = true },
			begin: func(s *stage) {
				other := elsewhere(s.t, s.path+".telemetry.db")
				other("ALTER TABLE raw RENAME TO raw_before")
				s.last = other
			}, end: func(s *stage) { s.last.(func(...string))("ALTER TABLE raw_before RENAME TO raw") }},
		{name: "a statement that never ends", rule: "ConnectionsLeaked", cause: "stuck_statement", says: []string{"could not be stopped", "1 are"}, within: 10, also: []string{"WriterLimits"},
			config: func(c *engine.Config) {
				c.Writer.StatementTime = 500 * time.Millisecond
				c.Extend.Functions = []engine.Function{{Name: "stuck", Scalar: func(args []engine.Value) (any, error) {
					<-release
					return int64(1), nil
				}}}
			}, begin: func(s *stage) {
				_, err := s.db.Exec(s.t.Context(), "UPDATE t SET n = stuck() WHERE id = 3", engine.WithName("culprit"))
				wantOnly(s.t, err, engine.ErrLeaseExpired)
			}, end: func(s *stage) { release <- struct{}{} }},
	}
}

// outOfService is a source of rules, one of whose plug-ins comes and goes.
type outOfService struct{ out atomic.Bool }

func (s *outOfService) Acquire() contract.Rules { return contract.Rules{Generation: 1} }

func (s *outOfService) Quarantined() []contract.Identity {
	if !s.out.Load() {
		return nil
	}
	return []contract.Identity{{Name: "limits", Version: "1.2"}}
}

// receiver takes spans, or fails.
type receiver struct{ broken atomic.Bool }

func (r *receiver) ExportSpans(context.Context, []trace.Span) error {
	if r.broken.Load() {
		return errMine
	}
	return nil
}
