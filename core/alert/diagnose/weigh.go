package diagnose

import "time"

// scene is the evidence with what follows from it for the alert in question.
type scene struct {
	*Evidence
	symptom symptom
	// affected is what the statements did that the alert is about, of those where their time went.
	affected Work
	shares   shares
	writer   occupation
}

// shares say where the time of the affected statements went; they add up to 1, or are all 0 where there was none.
type shares struct{ queue, slot, commit, plugins, busy float64 }

// occupation says what the writer did with its time, in shares of it.
type occupation struct {
	total                          time.Duration
	idle, working, commit, unknown float64
}

// weigh works out where the time went.
func weigh(e *Evidence, s symptom) scene {
	w := scene{Evidence: e, symptom: s, writer: occupy(e.Now)}
	for _, one := range e.Now.Statements {
		if s.class == "" || one.Class == s.class {
			w.affected = w.affected.Plus(one)
		}
	}
	if s.writer {
		w.shares = shares{queue: 1}
		return w
	}
	if total := float64(w.affected.Took); total > 0 {
		a := &w.affected
		w.shares = shares{queue: float64(a.Queue) / total, slot: float64(a.Slot) / total, commit: float64(a.Commit) / total, plugins: float64(a.Plugins) / total}
		w.shares.busy = max(0, 1-w.shares.queue-w.shares.slot-w.shares.commit-w.shares.plugins)
	}
	return w
}

// occupy tells what the writer did.
func occupy(d *Digest) occupation {
	h := d.holds()
	commit := time.Duration(d.Commits.Sum)
	known := h.Held + commit
	o := occupation{total: max(known, time.Duration(d.Counts["writer/busy"]*float64(time.Second)))}
	if o.total <= 0 {
		return o
	}
	total := float64(o.total)
	o.idle, o.working, o.commit = float64(h.idle())/total, float64(h.Held-h.idle())/total, float64(commit)/total
	o.unknown = max(0, 1-o.idle-o.working-o.commit)
	return o
}

// waiting is the share of the affected time that was waited for the writer.
func (w *scene) waiting() float64 { return w.shares.queue }
