package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/sdk/contract"
)

const (
	// alertRecords is how many operations are kept for an alert: 4 MB.
	alertRecords = 16_384
	// suspected is how many statements are asked for their plan when an alert begins.
	suspected = 3
	// tracesKept is how many traces an alert may choose from.
	tracesKept = 64
)

// detective says what is behind the alerts of a database. It implements alert.Diagnoser.
type detective struct{ db *DB }

var _ alert.Diagnoser = detective{}

// Diagnose keeps a copy of the flight recorder under the alert's name, collects what there is to know, and says what it comes to.
func (d detective) Diagnose(ctx context.Context, a alert.Alert) *alert.Diagnosis {
	frozen := captureName(a)
	if !d.db.rec.flight.Keep(frozen, a.Rule, alertRecords) && d.db.rec.flight.Captured(frozen) == nil {
		frozen = ""
	}
	e := d.db.evidence(ctx, a)
	e.Frozen = frozen
	return diagnose.Find(e)
}

// Resolved says that an alert is over: its copy of the flight recorder may make room for another one's.
func (d detective) Resolved(a alert.Alert) { d.db.rec.flight.Release(captureName(a)) }

// captureName names the copy of the flight recorder that belongs to an alert.
func captureName(a alert.Alert) string { return fmt.Sprintf("%s-%d", a.Rule, a.ID) }

// evidence collects what is known when an alert begins.
func (db *DB) evidence(ctx context.Context, a alert.Alert) *diagnose.Evidence {
	x := &db.chores.watched.experience
	e := &diagnose.Evidence{Alert: a}
	e.Now, e.Usual = x.memory.Around(a.Since)
	for _, s := range db.Sessions() {
		e.Sessions = append(e.Sessions, diagnose.Session{ID: s.ID, Lane: s.Lane, State: s.State, Name: s.Name, Query: s.Query, Age: s.Age})
	}
	st := db.Stats()
	db.storeEvidence(e, &st)
	for _, b := range st.Breakers {
		if b.State != breaker.Closed {
			e.Breakers = append(e.Breakers, diagnose.Breaker{Name: b.Name, State: b.State.String(), Cause: shown(b.Cause), Since: b.Since})
		}
	}
	for _, l := range []struct {
		name  string
		stats *PoolStats
		most  int
	}{{"reader", &st.Readers, db.cfg.Readers.Connections}, {"analytics", &st.Analytics, db.cfg.Analytics.Connections}, {"maintenance", &st.Maintenance, db.cfg.Maintenance.Connections}} {
		e.Pools = append(e.Pools, diagnose.Pool{Name: l.name, InUse: l.stats.InUse, Most: l.most, Starved: l.stats.Starved, Waiting: l.stats.Waiting})
	}
	if src, ok := db.cfg.Rules.Source.(contract.Ailing); ok {
		for _, p := range src.Quarantined() {
			e.Plugins = append(e.Plugins, strings.TrimSpace(p.Name+" "+p.Version))
		}
	}
	e.Plans = db.plansOf(ctx, diagnose.Suspects(e.Now, e.Usual, suspected))
	e.Traces = db.tracesSince(e.Now.Serial)
	return e
}

// storeEvidence collects the state of the file and of what is beside it.
func (db *DB) storeEvidence(e *diagnose.Evidence, st *Stats) {
	s := &e.Store
	s.WALUsed, s.WALSoft, s.WALCap = float64(st.WAL.Used), float64(db.cfg.WAL.Soft), float64(db.cfg.WAL.Cap)
	s.DiskFree = -1
	if l, ok := e.Now.Levels["disk/free"]; ok {
		s.DiskFree = l.Last
	}
	s.Files = map[string]float64{"database": float64(db.size()), "log": float64(st.WAL.Bytes)}
	if t := db.chores.watched; t.file != nil {
		s.Telemetry = t.file.Path()
		if used, err := t.file.Used(); err == nil {
			s.Files["telemetry"] = float64(used)
		}
	}
	if why := db.guard.quarantine.why.Load(); why != nil {
		s.Quarantine = why.Reason
	}
	s.Snapshot = diagnose.Snapshot{Age: st.Oldest.Age, Lane: st.Oldest.Lane, Holder: st.Oldest.Holder, Foreign: st.Oldest.Foreign}
	s.Unsettled = float64(db.chores.watched.unsettled.Load())
	s.Moved, _, _ = db.store.HasMoved()
	if st.Migrations.LastError != nil {
		s.Migration = typed(st.Migrations.LastError, "").Error()
	}
}

// tracesSince lists traces of operations behind a serial that were slow or failed, the slowest first; then of others.
func (db *DB) tracesSince(serial uint64) []diagnose.Trace {
	var found []diagnose.Trace
	urgent := map[string]bool{}
	less := func(a, b diagnose.Trace) int {
		if urgent[a.ID] != urgent[b.ID] {
			return map[bool]int{true: -1, false: 1}[urgent[a.ID]]
		}
		return cmp.Compare(b.Took, a.Took)
	}
	for o := range db.rec.flight.Since(serial, alertRecords) {
		if o.TraceID == "" {
			continue
		}
		if o.Slow || o.Error != "" {
			urgent[o.TraceID] = true
		}
		found = append(found, diagnose.Trace{ID: o.TraceID, Name: strings.TrimPrefix(strings.TrimPrefix(o.Name, "TRANSACTION"), " "), Fingerprint: o.Fingerprint, Took: o.Took, Failed: o.Error != ""})
		if len(found) >= 2*tracesKept {
			slices.SortStableFunc(found, less)
			found = found[:tracesKept]
		}
	}
	slices.SortStableFunc(found, less)
	return found
}

// AlertCause is something that a diagnosis may name.
type AlertCause = diagnose.Cause

// AlertCauses lists every cause that is looked at when an alert begins.
func AlertCauses() []AlertCause { return diagnose.Causes() }
