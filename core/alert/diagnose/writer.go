package diagnose

import (
	"fmt"
	"time"

	"github.com/tidegate/engine/core/alert"
)

const (
	// slowCommit is from when on a COMMIT can be slow, clearlySlow from when on it is whatever is usual.
	slowCommit, clearlySlow = 5 * time.Millisecond, 50 * time.Millisecond
	// longIdle is how long a transaction may hold the writer between two statements.
	longIdle = 10 * time.Millisecond
)

func diskSlow(s *scene) finding {
	now, usual := s.Now.Commits, s.Usual.Commits
	if now.Count == 0 {
		return not("nothing was committed")
	}
	p95, was := time.Duration(now.Quantile(0.95)), time.Duration(usual.Quantile(0.95))
	known := usual.Count >= enough
	times := ratio(float64(p95), float64(was))
	if p95 < slowCommit || known && times < 3 || !known && p95 < clearlySlow {
		if known {
			return not("COMMIT takes %s at the 95th percentile, usually %s", short(p95), short(was))
		}
		return not("COMMIT takes %s at the 95th percentile", short(p95))
	}
	f := finding{weight: s.shares.commit + s.waiting()*s.writer.commit,
		advice: []string{"look at the disk: iostat -x 1, the kernel's log, what else writes to it", "WithDurability(Relaxed) for what may be lost in a power cut; larger groups: writer.group_time"}}
	f.summary = fmt.Sprintf("COMMIT takes %s at the 95th percentile", short(p95))
	if known {
		f.summary += fmt.Sprintf(", %.0f times the usual %s", times, short(was))
	}
	f.evidence = []string{f.summary + fmt.Sprintf(", over %d COMMITs; the slowest took %s", now.Count, short(time.Duration(now.Max()))),
		fmt.Sprintf("%.0f %% of the writer's time went into COMMIT", 100*s.writer.commit)}
	f.who = []string{"COMMIT"}
	return f
}

// holder is whoever held the writer longest without work.
func (s *scene) holder() (name string, h Hold) {
	keys := ranked(s.Now.Holds, func(h Hold) float64 { return float64(h.idle()) })
	if len(keys) == 0 {
		return "", Hold{}
	}
	return keys[0], s.Now.Holds[keys[0]]
}

// onWriter is the session that holds the writer at the moment; nil where none does.
func (s *scene) onWriter() *Session {
	for i := range s.Sessions {
		if x := &s.Sessions[i]; x.Lane == "writer" && x.State != "waiting" {
			return x
		}
	}
	return nil
}

func writerHeld(s *scene) finding {
	name, h := s.holder()
	live := s.onWriter()
	switch {
	case h.Calls > 0 && h.idle()/time.Duration(h.Calls) >= longIdle:
		each := h.idle() / time.Duration(h.Calls)
		f := finding{weight: s.waiting() * s.writer.idle, who: []string{name}}
		f.summary = fmt.Sprintf("the transaction %s held the writer %s in all, %.0f %% of it between its statements (%s each time)", named(name), short(h.Held),
			100*float64(h.idle())/float64(h.Held), short(each))
		f.evidence = []string{fmt.Sprintf("%d transactions %s with %d statements held the writer for at most %s; inside statements they spent %s in all", h.Calls, named(name), h.Statements,
			short(h.Longest), short(h.Working)), fmt.Sprintf("%.0f %% of the writer's time was held so", 100*s.writer.idle)}
		if live != nil && live.Name == name {
			f.evidence = append(f.evidence, fmt.Sprintf("it holds the writer now, for %s", short(live.Age)))
		}
		f.advice = []string{"do what is no SQL before or after the transaction " + named(name) + ", not inside its closure: no calls over the network, no sleeps, no computing",
			"lower writer.hold, or drop HoldFor of that call: past it such a transaction is rolled back"}
		return f
	case live != nil && live.State == "idle" && live.Age >= 5*longIdle:
		return finding{weight: 0.9 * s.waiting(), who: []string{live.Name},
			summary: fmt.Sprintf("the transaction %s holds the writer since %s and runs no statement", named(live.Name), short(live.Age)),
			advice:  []string{fmt.Sprintf("engine kill %d ends it", live.ID), "do what is no SQL before or after the transaction"}}
	case h.Calls > 0:
		return not("nobody held the writer long between statements; the most idle was %s with %s in %d transactions", named(name), short(h.idle()), h.Calls)
	}
	return not("no transaction held the writer")
}

func heavyWrite(s *scene) finding {
	keys := ranked(s.Now.Holds, func(h Hold) float64 { return float64(h.Working) })
	if len(keys) == 0 {
		return finding{}
	}
	name := keys[0]
	h := s.Now.Holds[name]
	each := h.Working / time.Duration(max(1, h.Calls))
	if each < 10*time.Millisecond {
		return not("transactions are short: the one with most work, %s, spent %s in its statements each time", named(name), short(each))
	}
	was := s.Usual.Holds[name]
	usually := was.Working / time.Duration(max(1, was.Calls))
	f := finding{weight: 0.8 * s.waiting() * s.writer.working, who: []string{name}}
	f.summary = fmt.Sprintf("the transaction %s works %s each time with the writer", named(name), short(each))
	if was.Calls >= enough {
		f.summary += fmt.Sprintf(", usually %s", short(usually))
	}
	f.evidence = []string{fmt.Sprintf("%.0f %% of the writer's time went into statements of transactions; %s ran %d statements in %d transactions", 100*s.writer.working, named(name), h.Statements, h.Calls)}
	f.advice = []string{"write in smaller pieces: db.Batch or db.Bulk give the writer back between them", "engine slow list shows which of its statements takes the time"}
	return f
}

func foreignWriter(s *scene) finding {
	busy, commits := s.Now.Counts["file/busy"], s.Now.Counts["file/foreign"]
	if busy == 0 && commits == 0 {
		return not("no other program was seen to write")
	}
	errs := s.errorsOf("busy", "locked", "busy_snapshot")
	f := finding{weight: s.waiting() * s.writer.unknown, summary: fmt.Sprintf("another program writes to the database: the writer met its lock %.0f times, and %.0f commits that are not ours", busy, commits)}
	if busy == 0 {
		f.weight /= 4
	} else if stalled, affected := s.stalled(); stalled > 0 {
		// The lock is met where a write begins, so the wait for it counts as the write's own work.
		share := affected + s.waiting()*min(1, float64(stalled)/float64(max(1, s.writer.total)))
		f.weight = max(f.weight, 0.95*min(1, share))
	}
	if s.symptom.class == "" && !s.symptom.writer {
		f.weight = max(f.weight, errs)
	}
	f.evidence = []string{f.summary, fmt.Sprintf("%.0f %% of the writer's time is neither work nor COMMIT of ours", 100*s.writer.unknown)}
	f.advice = []string{"find it: lsof or fuser on the database file", "let it go through engine serve or this program; two writers take turns by waiting"}
	return f
}

// stalled is how much longer than usual writes took that took as many steps as usual, all of them together, and the share that this is of the time that the
// alert is about.
func (s *scene) stalled() (all time.Duration, affected float64) {
	for f, now := range s.Now.Statements {
		was := s.Usual.Statements[f]
		more := (now.busy() - was.busy()) * time.Duration(now.Calls)
		if times := ratio(now.steps(), was.steps()); now.Writes == 0 || was.Calls == 0 || more <= 0 || times < 0.5 || times > 2 {
			continue
		}
		all += more
		if s.affected.Took > 0 && !s.symptom.writer && (s.symptom.class == "" || now.Class == s.symptom.class) {
			affected += float64(more) / float64(s.affected.Took)
		}
	}
	return all, affected
}

func loadGrown(s *scene) finding {
	now, was := s.Now.total(), s.Usual.total()
	rate, usual := perSecond(now.Calls, s.Now), perSecond(was.Calls, s.Usual)
	if !s.known() || was.Calls < enough {
		return finding{}
	}
	times := ratio(rate, usual)
	if times < 2 {
		return not("%.1f statements come in a second, usually %.1f", rate, usual)
	}
	top, grew := "", 0.0
	for _, k := range ranked(s.Now.Statements, func(w Work) float64 { return float64(w.Calls) }) {
		if d := perSecond(s.Now.Statements[k].Calls, s.Now) - perSecond(s.Usual.Statements[k].Calls, s.Usual); d > grew {
			top, grew = k, d
		}
	}
	f := finding{weight: 0.4 * min(1, (times-1)/4) * max(s.shares.queue, s.shares.slot, s.shares.commit, s.shares.busy/2)}
	f.summary = fmt.Sprintf("%.1f statements come in a second, %.1f times the usual %.1f", rate, times, usual)
	if top != "" {
		w := s.Now.Statements[top]
		f.statements = []alert.Statement{{Fingerprint: top, Summary: w.Summary, What: fmt.Sprintf("%.1f more calls in a second than usual", grew)}}
		f.evidence = []string{fmt.Sprintf("most of what is more is %s", w.Summary)}
		f.who = []string{top}
	}
	f.advice = []string{"see who asks: engine top; bound tenants with tenants.quotas", "docs/overload.md says how to keep what matters going"}
	return f
}

func perSecond(n int64, d *Digest) float64 {
	if d.Span <= 0 {
		return 0
	}
	return float64(n) / d.Span.Seconds()
}

// short is a duration that people read.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= 10*time.Microsecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.String()
}
