package plugins

import (
	"slices"
	"sync/atomic"

	"github.com/tidegate/engine/sdk/contract"
)

var _ contract.Source = (*Registry)(nil)

// ruleSet is the rules of the versions that were in service at some moment. It pins them as long as somebody uses it.
type ruleSet struct {
	rules    contract.Rules
	versions []*Version
	uses     atomic.Int64 // 1 for being the present one; 0 is dead
}

// Acquire implements contract.Source: a transaction is judged by the versions that it began with, whatever is loaded meanwhile.
func (r *Registry) Acquire() contract.Rules {
	for {
		s := r.rules.Load()
		if s == nil {
			return contract.Rules{}
		}
		if n := s.uses.Load(); n > 0 && s.uses.CompareAndSwap(n, n+1) {
			return s.rules
		}
	}
}

func (s *ruleSet) release() {
	if s.uses.Add(-1) > 0 {
		return
	}
	for _, v := range s.versions {
		v.unpin()
	}
}

// publish makes the rules of what is in service now those of every transaction to come. r.mu is held.
func (r *Registry) publish() {
	s := &ruleSet{}
	s.uses.Store(1)
	s.rules.Release = s.release
	names := make([]string, 0, len(r.slots))
	for name := range r.slots {
		names = append(names, name)
	}
	slices.Sort(names) // the order in which rules are asked is that of their names
	for _, name := range names {
		for _, v := range []*Version{r.slots[name].active.Load(), r.slots[name].shadow.Load()} {
			if v != nil && v.pin() {
				s.versions = append(s.versions, v)
				s.rules.List = append(s.rules.List, v.rules(v == r.slots[name].shadow.Load())...)
			}
		}
	}
	old := r.rules.Load()
	s.rules.Generation = 1
	if old != nil {
		s.rules.Generation = old.rules.Generation + 1
	}
	r.rules.Store(s)
	if old != nil {
		old.release()
	}
}

// rules are the hooks of a version that judge rows.
func (v *Version) rules(shadow bool) []contract.Rule {
	var list []contract.Rule
	for i, h := range v.m.Hooks {
		if h.On != HookValidate.String() {
			continue
		}
		rule := contract.Rule{Table: h.Table, Columns: h.columns(), Schema: uint32(i), Allow: v.m.Policy.OnError == "allow", Shadow: shadow, Validator: v}
		if h.When == contract.AtCommit.String() {
			rule.When = contract.AtCommit
		}
		for _, op := range h.Ops {
			switch op {
			case "insert":
				rule.Ops |= contract.OnInsert
			case "update":
				rule.Ops |= contract.OnUpdate
			case "delete":
				rule.Ops |= contract.OnDelete
			}
		}
		if len(h.Ops) == 0 {
			rule.Ops = contract.OnInsert | contract.OnUpdate | contract.OnDelete
		}
		list = append(list, rule)
	}
	return list
}

var _ contract.Ailing = (*Registry)(nil)

// Quarantined implements contract.Ailing. A version in shadow mode keeps nobody from writing.
func (r *Registry) Quarantined() []Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Identity
	for _, s := range r.slots {
		if v := s.active.Load(); v != nil {
			if _, open := v.breaker.open(); open {
				out = append(out, v.id)
			}
		}
	}
	return out
}

// tables are those of its hooks, each once.
func (v *Version) tables() []string {
	out := []string{}
	for _, h := range v.m.Hooks {
		if h.Table != "" && !slices.Contains(out, h.Table) {
			out = append(out, h.Table)
		}
	}
	return out
}
