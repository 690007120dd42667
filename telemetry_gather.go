package engine

import (
	"context"
	"math"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/sdk/contract"
)

// gather adds all readings.
func (db *DB) gather(add func(metric.Reading)) {
	t, s := db.chores.watched, db.Stats()
	t.work.Gather(add)
	t.rejected.Gather(metric.ValidationRejected, "engine.plugin.name", "engine.rule", add)
	t.dropped.Gather(metric.TelemetryDropped, "telemetry.item", "", add)
	a := adder{add}
	a.value(metric.TelemetryDropped, float64(db.rec.flight.Lost()), "telemetry.item", "span")
	a.value(metric.WriterBusyRatio, math.Float64frombits(t.ratio.Load()))
	a.writer(&s.Writer)
	for _, p := range []struct {
		name  string
		stats *PoolStats
		limit int
	}{{"reader", &s.Readers, db.cfg.Readers.Connections}, {"analytics", &s.Analytics, db.cfg.Analytics.Connections}, {"maintenance", &s.Maintenance, db.cfg.Maintenance.Connections}} {
		a.pool(p.name, p.stats, p.limit)
	}
	a.value(metric.ConnectionLeaked, float64(s.Leaked))
	a.wal(&s)
	a.value(metric.FileSize, float64(db.size()))
	a.value(metric.FileFreelist, float64(t.freelist.Load()))
	if free, known := db.guard.vitals.volume.Free(context.Background()); known {
		a.value(metric.DiskFree, float64(free))
	}
	a.value(metric.SnapshotAge, s.Oldest.Age.Seconds())
	a.value(metric.DatabaseQuarantine, flag(db.guard.quarantine.err() != nil))
	a.value(metric.MigrationVersion, float64(s.SchemaVersion))
	a.value(metric.MigrationFailed, float64(t.unsettled.Load())+flag(s.Migrations.LastError != nil))
	a.value(metric.RetryRuns, float64(s.Retry.Granted), "engine.retry.decision", "granted")
	a.value(metric.RetryRuns, float64(s.Retry.Denied), "engine.retry.decision", "denied")
	a.breakers(s.Breakers)
	a.rules(db)
	if t.slow != nil {
		c := t.slow.Counts()
		for reason, n := range c.Reasons {
			a.value(metric.SlowStatements, float64(n), "engine.slow.reason", reason)
		}
		a.value(metric.FingerprintEvictions, float64(c.Evicted))
		a.value(metric.TelemetryDropped, float64(c.Dropped+c.Failed), "telemetry.item", "slow statement")
	}
	if t.file != nil {
		if used, err := t.file.Used(); err == nil {
			a.value(metric.TelemetrySize, float64(used))
		}
	}
	a.alerts(t.alarms.board)
	a.deliveries(t.alarms.courier)
	metric.GatherProcess(add)
}

// adder adds readings with less ceremony.
type adder struct{ add func(metric.Reading) }

// value adds one. What is no number, which a source of plug-ins may give, is nothing to tell: neither the store nor JSON holds it.
func (a adder) value(id metric.ID, v float64, labels ...string) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	a.add(metric.Reading{ID: id, Value: v, Labels: metric.Labels(labels...)})
}

// flag is 1 for what is so.
func flag(so bool) float64 {
	if so {
		return 1
	}
	return 0
}

func (a adder) writer(w *WriterStats) {
	a.value(metric.WriterBusyTime, w.Busy.Seconds())
	for _, o := range []struct {
		outcome string
		n       uint64
	}{{"committed", w.Jobs}, {"failed", w.Failed}, {"replayed", w.Replayed}, {"isolated", w.Isolated}} {
		a.value(metric.WriterTransactions, float64(o.n), "engine.writer.outcome", o.outcome)
	}
	a.value(metric.WriterLimits, float64(w.Limits.Expired), "engine.limit", "lease")
	a.value(metric.WriterLimits, float64(w.Limits.Interrupted), "engine.limit", "statement")
	a.value(metric.WriterLimits, float64(w.Limits.Fenced), "engine.limit", "fenced")
	a.value(metric.CommitLost, float64(w.Outcome.Committed), "engine.commit.outcome", "committed")
	a.value(metric.CommitLost, float64(w.Outcome.Missing), "engine.commit.outcome", "missing")
	a.value(metric.CommitLost, float64(w.Outcome.Unknown), "engine.commit.outcome", "unknown")
	for _, e := range []struct {
		event string
		n     uint64
	}{{"busy", w.File.Busy}, {"foreign", w.File.Foreign}, {"moved", w.File.Moved}, {"reconnect", w.File.Reconnects}, {"yield", w.File.Yields}} {
		a.value(metric.FileEvents, float64(e.n), "sqlite.file.event", e.event)
	}
	for i := range w.Queues {
		a.queue("writer", &w.Queues[i])
	}
}

// queue adds a line of a class. What has never been refused has no series for the reason, or there would be 120 of them.
func (a adder) queue(lane string, q *QueueStats) {
	class := q.Class.String()
	a.value(metric.QueueWaiting, float64(q.Waiting), "engine.class", class, "engine.lane", lane)
	a.value(metric.QueueShedding, flag(q.Shedding), "engine.class", class, "engine.lane", lane)
	r := &q.Refused
	for _, c := range []struct {
		reason string
		n      uint64
	}{{"full", r.Full}, {"timeout", r.Timeout}, {"deadline", r.Deadline}, {"delay", r.Delay}, {"quota", r.Quota}, {"connections", r.Connections}} {
		if c.n > 0 || c.reason == "timeout" {
			a.value(metric.QueueRefused, float64(c.n), "engine.class", class, "engine.lane", lane, "engine.reason", c.reason)
		}
	}
}

func (a adder) pool(name string, p *PoolStats, limit int) {
	const pool = "db.client.connection.pool.name"
	a.value(metric.ConnectionCount, float64(p.Idle), pool, name, "db.client.connection.state", "idle")
	a.value(metric.ConnectionCount, float64(p.InUse), pool, name, "db.client.connection.state", "used")
	a.value(metric.ConnectionMax, float64(limit), pool, name)
	a.value(metric.ConnectionPending, float64(p.Waiting), pool, name)
	a.value(metric.ConnectionOpened, float64(p.Opened), pool, name)
	timeouts := uint64(0)
	for i := range p.Queues {
		a.queue(name, &p.Queues[i])
		r := &p.Queues[i].Refused
		timeouts += r.Timeout + r.Deadline + r.Connections
	}
	a.value(metric.ConnectionTimeouts, float64(timeouts), pool, name)
}

func (a adder) wal(s *Stats) {
	a.value(metric.WALSize, float64(s.WAL.Bytes))
	a.value(metric.WALUsed, float64(s.WAL.Used))
	a.value(metric.WALSyncs, float64(s.Syncs))
	a.value(metric.WALCheckpoints, float64(s.WAL.Checkpoints-min(s.WAL.Checkpoints, s.WAL.Incomplete)), "sqlite.checkpoint.complete", "true")
	a.value(metric.WALCheckpoints, float64(s.WAL.Incomplete), "sqlite.checkpoint.complete", "false")
	a.value(metric.WALCheckpointTime, s.WAL.Time.Seconds())
	a.value(metric.SnapshotsEnded, float64(s.WAL.Ended))
}

// breakers adds those of the domains, and those of statements as one: each of these has a fingerprint in its name.
func (a adder) breakers(all []BreakerStats) {
	statements, worst := breaker.Status{Name: "statements"}, breaker.Closed
	for i := range all {
		b := &all[i]
		if i >= 3 {
			statements.Opened, statements.Refused, worst = statements.Opened+b.Opened, statements.Refused+b.Refused, max(worst, b.State)
			continue
		}
		a.breaker(b)
	}
	statements.State = worst
	a.value(metric.BreakerState, float64(statements.State), "engine.breaker", statements.Name) // no counters: those that closed are not in the list
}

func (a adder) breaker(b *BreakerStats) {
	a.value(metric.BreakerState, float64(b.State), "engine.breaker", b.Name)
	a.value(metric.BreakerOpened, float64(b.Opened), "engine.breaker", b.Name)
	a.value(metric.BreakerRefused, float64(b.Refused), "engine.breaker", b.Name)
}

func (a adder) rules(db *DB) {
	if e := db.rules.enforcer; e != nil {
		s := e.Stats()
		a.value(metric.ValidationCalls, float64(s.Calls))
		a.value(metric.ValidationRows, float64(s.Rows))
		a.value(metric.ValidationTime, s.Time.Seconds())
		for _, v := range []struct {
			verdict string
			n       uint64
		}{{"rejected", s.Rejected}, {"warned", s.Warned}, {"failed", s.Failed}, {"allowed", s.Allowed}, {"shadowed", s.Shadowed}} {
			a.value(metric.ValidationVerdicts, float64(v.n), "validation.verdict", v.verdict)
		}
	}
	if src, ok := db.cfg.Rules.Source.(contract.Metered); ok {
		for _, m := range src.Metered() {
			id := metric.PluginCounter
			if m.Gauge {
				id = metric.PluginGauge
			}
			a.value(id, m.Value, "engine.plugin.name", m.Plugin, "engine.plugin.metric", m.Name)
		}
	}
	if src, ok := db.cfg.Rules.Source.(contract.Ailing); ok {
		a.value(metric.PluginQuarantined, float64(len(src.Quarantined())))
	}
}

func (a adder) alerts(b *alert.Board) {
	if b == nil {
		return
	}
	for severity, n := range b.Counts() {
		a.value(metric.AlertsFiring, float64(n), "engine.alert.severity", alert.Severity(severity).String())
	}
}
