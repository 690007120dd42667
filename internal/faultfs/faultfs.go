// Package faultfs makes file calls of a database fail on purpose. A Plan is given to sqlite.Options.Faults; it counts the calls that
// match a rule and fails the one, or all from the one on, that the rule names.
package faultfs

import (
	"slices"
	"sync"

	"github.com/tidegate/engine/core/sqlite"
)

// Rule names calls and how they fail.
type Rule struct {
	Kind   sqlite.OpKind
	Files  []sqlite.FileKind // nil for every file
	Nth    int               // the first call to fail, counted from 1; 0 is 1
	Sticky bool              // all later calls fail, too
	Err    error             // nil only counts
	Short  int               // bytes of a write that still arrive
	Then   func(sqlite.Op)   // called on the failing call ahead of the failure; may block
}

// Plan is a set of rules and a log. The zero value fails nothing. Safe for concurrent use.
type Plan struct {
	mu    sync.Mutex
	rules []*armed
	log   func(sqlite.Op)
	calls int
}

type armed struct {
	Rule
	seen int
	hits int
}

// Handle counts what a rule did.
type Handle struct {
	plan *Plan
	rule *armed
}

// Add puts a rule in force and returns its handle.
func (p *Plan) Add(r Rule) Handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &armed{Rule: r}
	if a.Nth < 1 {
		a.Nth = 1
	}
	p.rules = append(p.rules, a)
	return Handle{p, a}
}

// Clear removes all rules.
func (p *Plan) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Log calls f for every file call from now on, one at a time; nil stops it.
func (p *Plan) Log(f func(sqlite.Op)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = f
}

// Calls returns the number of file calls so far.
func (p *Plan) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// Hits returns how many calls the rule failed.
func (h Handle) Hits() int {
	h.plan.mu.Lock()
	defer h.plan.mu.Unlock()
	return h.rule.hits
}

// Seen returns how many calls the rule matched, failed or not.
func (h Handle) Seen() int {
	h.plan.mu.Lock()
	defer h.plan.mu.Unlock()
	return h.rule.seen
}

// Before implements sqlite.Faults.
func (p *Plan) Before(op sqlite.Op) error {
	hit := p.match(op)
	if hit == nil {
		return nil
	}
	if hit.Then != nil {
		hit.Then(op)
	}
	if hit.Err != nil && hit.Short > 0 && op.Kind == sqlite.OpWrite {
		return &sqlite.ShortWrite{N: hit.Short, Err: hit.Err}
	}
	return hit.Err
}

func (p *Plan) match(op sqlite.Op) *Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.log != nil {
		p.log(op)
	}
	for _, r := range p.rules {
		if r.Kind != op.Kind || r.Files != nil && !slices.Contains(r.Files, op.File) {
			continue
		}
		r.seen++
		if r.seen == r.Nth || r.Sticky && r.seen > r.Nth {
			r.hits++
			return &r.Rule
		}
	}
	return nil
}
