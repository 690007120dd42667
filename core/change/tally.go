package change

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/sdk/contract"
)

// RuleStats counts what the rules of one version of a validator were asked and answered.
type RuleStats struct {
	// Plugin and Version name the validator; Shadow is true for one in shadow mode.
	Plugin, Version string
	Shadow          bool
	Stats
}

// ruleKey is a version of a validator in one of its modes.
type ruleKey struct {
	plugin, version string
	shadow          bool
}

// counts are the counters of one.
type counts struct {
	calls, rows, ns atomic.Uint64
	events          [Shadowed + 1]atomic.Uint64
}

func (c *counts) stats() Stats {
	n := func(k EventKind) uint64 { return c.events[k].Load() }
	return Stats{Calls: c.calls.Load(), Rows: c.rows.Load(), Time: time.Duration(c.ns.Load()),
		Rejected: n(Rejected), Warned: n(Warned), Failed: n(Failed), Allowed: n(Allowed), Shadowed: n(Shadowed)}
}

func (c *counts) called(rows int, took time.Duration) {
	c.calls.Add(1)
	c.rows.Add(uint64(rows))
	c.ns.Add(uint64(took))
}

// mostCounted bounds how many versions are told apart: each reload brings one.
const mostCounted = 512

// countsOf finds the counters of a rule's validator. It is asked when rules are bound to their tables, and not for each call.
func (e *Enforcer) countsOf(r *contract.Rule) *counts {
	who := r.Validator.Identity()
	key := ruleKey{who.Name, who.Version, r.Shadow}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.each == nil {
		e.each = map[ruleKey]*counts{}
	}
	if e.each[key] == nil && len(e.each) >= mostCounted {
		key = ruleKey{plugin: "other"}
	}
	if e.each[key] == nil {
		e.each[key] = &counts{}
	}
	return e.each[key]
}

// Each returns the counters of every validator that a table was bound to, by name, version and mode.
func (e *Enforcer) Each() []RuleStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]RuleStats, 0, len(e.each))
	for key, c := range e.each {
		out = append(out, RuleStats{key.plugin, key.version, key.shadow, c.stats()})
	}
	slices.SortFunc(out, func(a, b RuleStats) int {
		return cmp.Or(cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Version, b.Version), compareModes(a.Shadow, b.Shadow))
	})
	return out
}

// compareModes puts what is in service before what is tried.
func compareModes(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
