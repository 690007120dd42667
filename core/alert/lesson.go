package alert

import "time"

// Lesson learns what is usual from what was stored, so that a rule with drift need not wait for hours after each start. It is not safe for concurrent use.
type Lesson struct {
	rules []Rule
	usual []*usual
	watch *Watch
}

// Lesson is one for the rules that compare with what is usual; nil where there are none.
func (b *Board) Lesson() *Lesson {
	l := new(Lesson)
	for _, r := range b.c.Rules {
		if r.expr.do == drift {
			l.rules, l.usual = append(l.rules, r), append(l.usual, newUsual())
		}
	}
	if l.rules == nil {
		return nil
	}
	return l
}

// Wants reports whether a rule asks about a metric.
func (l *Lesson) Wants(metric string) bool {
	for i := range l.rules {
		for _, name := range l.rules[i].Metrics() {
			if name == metric {
				return true
			}
		}
	}
	return false
}

// Begin begins a stretch of the past with steps of a length; counters count from 0 in it. A rule whose window is shorter than a step learns nothing from it:
// what it would find is more than came in its window.
func (l *Lesson) Begin(step time.Duration, start time.Time) {
	l.watch = NewWatch(l.rules, step, start)
	l.watch.usual = nil
	for i := range l.rules {
		u := l.usual[i]
		if w := l.rules[i].Window(); w > 0 && w < step {
			u = newUsual() // for nobody
		}
		l.watch.usual = append(l.watch.usual, u)
	}
}

// Step takes the samples of a step. Begin was called before.
func (l *Lesson) Step(now time.Time, samples []Sample) { l.watch.Step(now, samples) }

// Learn takes over what a lesson has learnt of the time before this process. An evaluation that is under way is waited for.
func (b *Board) Learn(l *Lesson) {
	b.evaluating.Lock()
	defer b.evaluating.Unlock()
	for i := range b.watch.rules {
		for k := range l.rules {
			if l.rules[k].Name == b.watch.rules[i].Name {
				b.watch.usual[i].learn(l.usual[k])
			}
		}
	}
}

// learn adds what another one knows, of other hours or of another part of the same.
func (u *usual) learn(from *usual) {
	for key, theirs := range from.groups {
		g := u.groups[key]
		if g == nil {
			g = new(hours)
			u.groups[key] = g
		}
		for i := range theirs {
			switch mine, other := &g[i], theirs[i]; {
			case other.n == 0 || mine.n > 0 && mine.number > other.number:
			case mine.n > 0 && mine.number == other.number:
				mine.n, mine.sum = mine.n+other.n, mine.sum+other.sum
			default:
				*mine = other
			}
		}
	}
}
