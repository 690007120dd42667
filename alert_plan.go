package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/core/sqlite"
)

// Bounds of what is remembered of plans.
const (
	plansKnown   = 256
	plansEach    = 3 // in one interval
	plansFor     = time.Hour
	planPatience = 500 * time.Millisecond
)

// planMemory knows the plans that statements had while all was well. The zero value is empty; it is safe for concurrent use.
type planMemory struct {
	mu    sync.Mutex
	known map[string]knownPlan // by fingerprint
}

type knownPlan struct {
	steps string
	rows  int64
	at    time.Time
}

// learn asks for the plans of a few of the statements that took most time, of those whose plan is not known or was asked for long ago.
func (db *DB) learn(ctx context.Context, now time.Time, busiest []string) {
	p := &db.chores.watched.experience.plans
	left := plansEach
	for _, f := range busiest {
		p.mu.Lock()
		k, known := p.known[f]
		p.mu.Unlock()
		if left == 0 || known && now.Sub(k.at) < plansFor {
			continue
		}
		left--
		k = db.presentPlan(ctx, f)
		k.at = now
		p.keep(f, k)
	}
}

// keep notes a plan. Where there are too many the oldest goes.
func (p *planMemory) keep(fingerprint string, k knownPlan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]knownPlan{}
	}
	if _, there := p.known[fingerprint]; !there && len(p.known) >= plansKnown {
		oldest := ""
		for f, o := range p.known {
			if oldest == "" || o.at.Before(p.known[oldest].at) {
				oldest = f
			}
		}
		delete(p.known, oldest)
	}
	p.known[fingerprint] = k
}

// presentPlan asks for the plan of a fingerprint with bindings that it had, and for the size of its table; what cannot be asked for is empty.
func (db *DB) presentPlan(ctx context.Context, fingerprint string) (k knownPlan) {
	slow := db.chores.watched.slow
	if slow == nil {
		return k
	}
	sets := slow.Bindings(fingerprint)
	if len(sets) == 0 {
		return k
	}
	ctx, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	given := sets[len(sets)-1]
	steps, err := db.planOf(ctx, given)
	if err != nil {
		return k // it says nothing: a table that is gone, values that do not fit any more
	}
	k.steps = planText(steps)
	if table := db.queries.describe(given.SQL).Collection; table != "" {
		k.rows = db.highestRow(ctx, table)
	}
	return k
}

// planText is a plan in a line. Steps have names of tables and indexes, and no values.
func planText(steps []slowlog.PlanStep) string {
	parts := make([]string, len(steps))
	for i, s := range steps {
		parts[i] = s.Detail
	}
	return strings.Join(parts, "; ")
}

// highestRow is the highest row number of a table, which SQLite finds without counting; 0 where it has none.
func (db *DB) highestRow(ctx context.Context, table string) int64 {
	cur, err := db.lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "metrics"}, "SELECT max(rowid) FROM "+quoted(table), nil)
	if err != nil {
		return 0
	}
	defer cur.Finish()
	if ok, err := cur.Next(ctx); ok && err == nil && cur.Row()[0].Type == sqlite.Integer {
		return cur.Row()[0].Int
	}
	return 0
}

// quoted is a name as SQL writes it, with its schema where it has one.
func quoted(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(strings.Trim(p, "\"`[]"), `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}

// plansOf are the plans of statements, as they were and as they are.
func (db *DB) plansOf(ctx context.Context, fingerprints []string) map[string]diagnose.Plan {
	out := map[string]diagnose.Plan{}
	p := &db.chores.watched.experience.plans
	for _, f := range fingerprints {
		p.mu.Lock()
		was := p.known[f]
		p.mu.Unlock()
		is := db.presentPlan(ctx, f)
		out[f] = diagnose.Plan{Was: was.steps, Is: is.steps, RowsWere: was.rows, Rows: is.rows}
	}
	return out
}
