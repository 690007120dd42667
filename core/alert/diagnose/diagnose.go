package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/engine/core/alert"
)

// Unknown is the cause of an alert that nothing explains.
const Unknown = "unknown"

// likely is from which weight on a finding explains an alert.
const likely = 0.15

// Bounds of a diagnosis.
const (
	mostTraces     = 5
	mostStatements = 5
	mostRuled      = 8
)

// finding is what was found out about a cause.
type finding struct {
	// weight is how much of what is wrong it explains, from 0 to 1.
	weight float64
	// summary is one sentence with the figures. Where weight is 0 it says why this is not the cause; "" where that goes without saying.
	summary          string
	evidence, advice []string
	statements       []alert.Statement
	// who are names of transactions, and fingerprints, whose traces show it.
	who []string
}

// not is a finding that a cause is not it.
func not(format string, a ...any) finding { return finding{summary: fmt.Sprintf(format, a...)} }

// judged is a finding with its cause.
type judged struct {
	cause cause
	finding
	apart bool // true, though it does not lead to such an alert
}

// Find says what is behind the alert of the evidence. It never fails: where nothing explains the alert the cause is [Unknown].
func Find(e *Evidence) *alert.Diagnosis {
	if e.Now == nil {
		e.Now = new(Digest)
	}
	if e.Usual == nil {
		e.Usual = new(Digest)
	}
	s := symptomOf(e.Alert.Rule)
	w := weigh(e, s)
	var best *judged
	var others []judged
	for _, c := range causes {
		j := judged{cause: c, finding: c.look(&w)}
		if j.weight > 0 && !s.led(c) {
			j.apart = true
		}
		others = append(others, j)
	}
	slices.SortStableFunc(others, func(a, b judged) int {
		return cmp.Or(cmp.Compare(rank(&b), rank(&a)), cmp.Compare(b.weight, a.weight))
	})
	if rank(&others[0]) >= likely {
		best, others = &others[0], others[1:]
	}
	return write(e, best, others)
}

// rank is what a finding weighs for the alert in question.
func rank(j *judged) float64 {
	if j.apart {
		return 0
	}
	return j.weight
}

// write puts a diagnosis together.
func write(e *Evidence, best *judged, others []judged) *alert.Diagnosis {
	d := &alert.Diagnosis{Cause: Unknown, Summary: "nothing that is known explains it", Frozen: e.Frozen}
	var who []string
	if best != nil {
		d.Cause, d.Summary, d.Evidence, d.Advice, d.Statements, who = best.cause.id, best.summary, best.evidence, best.advice, best.statements, best.who
	} else {
		d.Advice = []string{"engine top shows what happens now, engine slow list the slow statements, engine trace dump what was done last"}
	}
	for _, o := range others {
		switch {
		case len(d.Ruled) == mostRuled:
		case o.apart:
			d.Ruled = append(d.Ruled, fmt.Sprintf("%s: it is there (%s), and does not lead to %s", o.cause.id, o.summary, e.Alert.Rule))
		case o.weight > 0 && best != nil:
			d.Ruled = append(d.Ruled, fmt.Sprintf("%s: it is there (%s), and explains less (%.0f %% against %.0f %%)", o.cause.id, o.summary, 100*o.weight, 100*best.weight))
		case o.weight > 0:
			d.Ruled = append(d.Ruled, fmt.Sprintf("%s: it is there (%s), and is too little to explain it", o.cause.id, o.summary))
		case o.summary != "":
			d.Ruled = append(d.Ruled, o.cause.id+": "+o.summary)
		}
	}
	if !e.known() {
		d.Evidence = append(d.Evidence, "what is usual is not known yet: the engine has not run for long enough, so figures were judged by themselves")
	}
	d.Statements = d.Statements[:min(len(d.Statements), mostStatements)]
	d.Traces = traces(e, who)
	if d.Frozen != "" {
		d.Advice = append(d.Advice, "engine trace dump --frozen "+d.Frozen+" shows what the engine did before the alert")
	}
	return d
}

// traces chooses those that show the cause, then those that were slowest.
func traces(e *Evidence, who []string) []string {
	var out []string
	for _, fits := range []bool{true, false} {
		for _, t := range e.Traces {
			match := slices.ContainsFunc(who, func(w string) bool { return w != "" && (w == t.Fingerprint || w == t.Name) })
			if match == fits && len(out) < mostTraces && !slices.Contains(out, t.ID) {
				out = append(out, t.ID)
			}
		}
	}
	return out
}

// Cause is what the documentation says of a cause.
type Cause struct {
	// ID is the word of it, Meaning what it means.
	ID, Meaning string
	// Leads are the rules whose alerts it can explain.
	Leads []string
}

// Causes lists every cause that is looked at.
func Causes() []Cause {
	var out []Cause
	for _, one := range causes {
		c := Cause{ID: one.id, Meaning: one.means}
		for _, s := range symptoms {
			if s.led(one) {
				c.Leads = append(c.Leads, s.rules...)
			}
		}
		out = append(out, c)
	}
	return out
}

// ranked are the keys of a map, the heaviest first.
func ranked[V any](m map[string]V, weight func(V) float64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(weight(m[b]), weight(m[a])), strings.Compare(a, b)) })
	return keys
}

// named is a caller's name for people.
func named(name string) string {
	if name == "" {
		return "without a name"
	}
	return fmt.Sprintf("%q", name)
}

func statement(fingerprint, summary, format string, a ...any) alert.Statement {
	return alert.Statement{Fingerprint: fingerprint, Summary: summary, What: fmt.Sprintf(format, a...)}
}
