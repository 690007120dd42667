package desk

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/tidegate/engine"
)

//go:embed invariants.sql
var invariantsSQL string

// Invariant is a rule that every sound database keeps. Queries return no row
// while it holds.
type Invariant struct {
	Name    string // I01 …
	Rule    string
	Queries []string
}

// Invariants returns the rules, in order.
func Invariants() []Invariant { return parseInvariants(invariantsSQL) }

func parseInvariants(text string) []Invariant {
	var (
		out   []Invariant
		query strings.Builder
	)
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(trimmed, "-- "); ok {
			if name, rule, ok := strings.Cut(comment, " "); ok && len(name) == 3 && name[0] == 'I' {
				out = append(out, Invariant{Name: name, Rule: rule})
			}
			continue
		}
		query.WriteString(line)
		if strings.HasSuffix(trimmed, ";") && len(out) > 0 {
			last := &out[len(out)-1]
			last.Queries = append(last.Queries, strings.TrimSuffix(strings.TrimSpace(query.String()), ";"))
			query.Reset()
		}
	}
	return out
}

// Verdict is an invariant and what was found.
type Verdict struct {
	Invariant
	Broken  int    // rows that break it
	Example string // the first of them: keys and sums
}

// maxEvidence bounds how many rows of a broken rule are counted.
const maxEvidence = 1000

// Verify proves every invariant by SQL, all on one snapshot, on the lane of long
// reads.
func Verify(ctx context.Context, db *engine.DB) ([]Verdict, error) {
	var out []Verdict
	err := db.View(ctx, func(ctx context.Context, tx *engine.Tx) error {
		out = nil
		for _, inv := range Invariants() {
			v := Verdict{Invariant: inv}
			for _, q := range inv.Queries {
				if err := v.count(ctx, tx, q); err != nil {
					return fmt.Errorf("desk: invariant %s: %w", inv.Name, err)
				}
			}
			out = append(out, v)
		}
		return nil
	}, engine.WithName("invariants"), engine.WithClass(engine.ClassAnalytics))
	return out, err
}

func (v *Verdict) count(ctx context.Context, tx *engine.Tx, query string) error {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for v.Broken < maxEvidence && rows.Next() {
		if v.Broken == 0 {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			v.Example = fmt.Sprint(values...)
		}
		v.Broken++
	}
	return rows.Close()
}

// AllHold reports whether no verdict is broken.
func AllHold(verdicts []Verdict) bool {
	for _, v := range verdicts {
		if v.Broken > 0 {
			return false
		}
	}
	return len(verdicts) > 0
}
