package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidegate/engine/core/alert"
)

// suspect is a statement that takes more steps than usual.
type suspect struct {
	fingerprint string
	now, was    Work
	times       float64
	// weight is the share of the affected time that it takes beyond the usual.
	weight float64
}

// stepsFrom is how many steps a call must take to be worth a look, moreSteps how many times the usual.
const (
	stepsFrom = 1000
	moreSteps = 3
)

// Suspects are the fingerprints whose statements take many more steps than usual, those that cost most first; most bounds how many. Whoever collects
// evidence asks for their plans.
func Suspects(now, usual *Digest, most int) []string {
	s := scene{Evidence: &Evidence{Now: now, Usual: usual}, symptom: anything()}
	var out []string
	for _, one := range s.suspects() {
		if len(out) < most {
			out = append(out, one.fingerprint)
		}
	}
	return out
}

// suspects lists the statements that take more steps, the one with most weight first.
func (s *scene) suspects() []suspect {
	var out []suspect
	for f, now := range s.Now.Statements {
		was := s.Usual.Statements[f]
		times := ratio(now.steps(), was.steps())
		if was.Calls == 0 || now.steps() < stepsFrom || times < moreSteps {
			continue
		}
		out = append(out, suspect{f, now, was, times, s.excess(now, was)})
	}
	slices.SortFunc(out, func(a, b suspect) int {
		switch more := (b.now.busy() - b.was.busy()) * time.Duration(b.now.Calls); {
		case b.weight != a.weight:
			return sign(b.weight - a.weight)
		default:
			return sign(float64(more - (a.now.busy()-a.was.busy())*time.Duration(a.now.Calls)))
		}
	})
	return out
}

func sign(f float64) int {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}

// excess is the share of the affected time, or of the writer's, that the statements of a fingerprint take beyond the usual.
func (s *scene) excess(now, was Work) float64 {
	more := float64((now.busy() - was.busy()) * time.Duration(now.Calls))
	if more <= 0 {
		return 0
	}
	if s.symptom.writer {
		if s.writer.total <= 0 || now.Writes == 0 {
			return 0
		}
		return min(1, more/float64(s.writer.total))
	}
	if s.symptom.class != "" && now.Class != s.symptom.class || s.affected.Took <= 0 {
		if s.affected.Took <= 0 || now.Writes == 0 { // it may hold up those who wait for the writer
			return 0
		}
		return min(1, more/float64(max(1, s.writer.total))) * s.waiting()
	}
	return min(1, more/float64(s.affected.Took))
}

// because finds the first suspect that a test is true of.
func (s *scene) because(test func(*suspect, Plan) bool) *suspect {
	var first *suspect
	for _, one := range s.suspects() {
		if test(&one, s.Plans[one.fingerprint]) {
			if one.weight > 0 {
				return &one
			}
			if first == nil {
				first = &one
			}
		}
	}
	return first
}

// told is what all findings about a statement have in common.
func (s *scene) told(x *suspect, summary string) finding {
	f := finding{weight: x.weight, summary: fmt.Sprintf("%s takes %.0f steps, %.0f times the usual %.0f; ", x.now.Summary, x.now.steps(), x.times, x.was.steps()) + summary,
		who: []string{x.fingerprint}}
	f.evidence = []string{fmt.Sprintf("a call works for %s, usually for %s, over %d calls", short(x.now.busy()), short(x.was.busy()), x.now.Calls)}
	if x.now.Scanned > 0 {
		f.evidence = append(f.evidence, fmt.Sprintf("it steps over %d rows without an index in each call, usually %d, for %d rows that are wanted", x.now.Scanned/max(1, x.now.Calls),
			x.was.Scanned/max(1, x.was.Calls), x.now.Rows/max(1, x.now.Calls)))
	}
	f.statements = []alert.Statement{{Fingerprint: x.fingerprint, Summary: x.now.Summary, What: fmt.Sprintf("%.0f steps a call, usually %.0f", x.now.steps(), x.was.steps())}}
	if f.weight == 0 {
		f.weight = 0.01 // it is there, and those whom the alert is about do not wait for it
	}
	return f
}

// grown says how many times as many rows there are as before; 0 where that is not known.
func (p Plan) grown() float64 { return ratio(float64(p.Rows), float64(p.RowsWere)) }

func planChanged(s *scene) finding {
	x := s.because(func(_ *suspect, p Plan) bool { return p.Was != "" && p.Is != "" && p.Was != p.Is })
	if x == nil {
		return not("no statement takes %d times its usual steps with another plan", moreSteps)
	}
	p := s.Plans[x.fingerprint]
	f := s.told(x, fmt.Sprintf("its plan was %q and is %q", p.Was, p.Is))
	f.advice = []string{"compare the indexes with those of the schema: engine migrate verify; make the one that is missing again", "engine slow show " + x.fingerprint + " shows plan and bindings",
		"where only the statistics changed: ANALYZE, or put the former ones back"}
	return f
}

func dataGrowth(s *scene) finding {
	x := s.because(func(x *suspect, p Plan) bool {
		return (p.Was == "" || p.Was == p.Is) && p.grown() >= 2 && x.times <= 2*p.grown() // what is usual may have some of the growth in it
	})
	if x == nil {
		return not("no statement takes more steps in proportion to its table")
	}
	p := s.Plans[x.fingerprint]
	f := s.told(x, fmt.Sprintf("its table has %d rows, and had %d", p.Rows, p.RowsWere))
	f.advice = []string{"an index for its condition", "archive or delete what is old"}
	return f
}

func skewedBindings(s *scene) finding {
	x := s.because(func(x *suspect, p Plan) bool {
		return p.Was != "" && p.Was == p.Is && (p.grown() < 2 || x.times > 2*p.grown())
	})
	if x == nil {
		return not("no statement takes more steps with the plan and the table that it had")
	}
	f := s.told(x, "its plan and its table are as before, so it is asked for values that more rows have")
	f.advice = []string{"engine slow show " + x.fingerprint + " shows what is asked for", "a LIMIT, or a condition that fewer rows meet"}
	return f
}

// compared are the statements with enough calls now and before, and as many steps as usual.
func (s *scene) compared() (all []suspect) {
	for f, now := range s.Now.Statements {
		was := s.Usual.Statements[f]
		if now.Calls < 5 || was.Calls < 5 || was.busy() <= 0 {
			continue
		}
		if times := ratio(now.steps(), was.steps()); times > 0.5 && times < 2 {
			all = append(all, suspect{f, now, was, ratio(float64(now.busy()), float64(was.busy())), 0})
		}
	}
	slices.SortFunc(all, func(a, b suspect) int { return sign(a.times - b.times) })
	return all
}

func hostSlow(s *scene) finding {
	all := s.compared()
	if len(all) == 0 {
		return finding{}
	}
	median := all[len(all)/2].times
	if len(all) < 3 || all[len(all)/4].times < 2 || median < 3 {
		return not("statements with as many steps as usual take %.1f times as long in the median of %d of them", median, len(all))
	}
	f := finding{weight: 0.9 * max(s.shares.busy, s.waiting()*s.writer.working)}
	f.summary = fmt.Sprintf("all statements are slower at the same number of steps: %.1f times in the median of %d of them", median, len(all))
	if wait := s.Now.Levels["host/scheduling"].High; wait > 0 {
		f.evidence = append(f.evidence, fmt.Sprintf("goroutines waited up to %s for a processor", short(time.Duration(wait*float64(time.Second)))))
	}
	if pause := s.Now.Levels["host/gc_pause"].High; pause > 0 {
		f.evidence = append(f.evidence, fmt.Sprintf("the garbage collector stopped the process for up to %s", short(time.Duration(pause*float64(time.Second)))))
	}
	f.advice = []string{"look at the machine: top, vmstat 1, the quota of processors of the container", "no statement is at fault: no index will help"}
	return f
}

func coldCache(s *scene) finding {
	now, was := s.Now.total(), s.Usual.total()
	reads, usual := ratio(s.Now.Counts["file/read"], float64(now.Calls)), ratio(s.Usual.Counts["file/read"], float64(was.Calls))
	if now.Calls < enough || was.Calls < enough || reads == 0 {
		return finding{}
	}
	times := reads / max(usual, 0.01)
	if times < 3 || reads < 2 {
		return not("a statement reads %.1f pages from the disk, usually %.1f", reads, usual)
	}
	if more := ratio(now.steps(), was.steps()); more >= 2 {
		return not("a statement reads %.1f pages from the disk, usually %.1f, and takes %.1f times as many steps", reads, usual, more)
	}
	return finding{weight: 0.7 * s.shares.busy, summary: fmt.Sprintf("a statement reads %.1f pages from the disk, %.0f times the usual, at as many steps as usual", reads, times),
		advice: []string{"a larger readers.cache_kib, or memory for the system's own cache", "see what else the machine has read: it may have pushed the database out"}}
}

func pluginSlow(s *scene) finding {
	now, was := s.Now.Counts["plugin/time"], s.Usual.Counts["plugin/time"]
	calls, called := s.Now.Counts["plugin/calls"], s.Usual.Counts["plugin/calls"]
	if calls == 0 {
		return finding{}
	}
	each, usual := time.Duration(now/calls*1e9), time.Duration(ratio(was, called)*1e9)
	share := s.shares.plugins
	if s.writer.total > 0 {
		share = max(share, s.waiting()*min(1, now/s.writer.total.Seconds()))
	}
	if share < 0.25 || called >= enough && ratio(float64(each), float64(usual)) < 2 {
		return not("plug-ins take %s a call (usually %s), %.0f %% of the time in question", short(each), short(usual), 100*share)
	}
	return finding{weight: share, summary: fmt.Sprintf("plug-ins take %s a call, usually %s, %.0f %% of the time in question", short(each), short(usual), 100*share),
		advice: []string{"engine plugin list shows their times; an older version: engine plugin activate", "engine trace dump shows slow calls as PLUGIN"}}
}
