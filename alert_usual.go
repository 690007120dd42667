package engine

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/diagnose"
	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/internal/sidecar"
)

// How far back what is usual is looked for: a week and a day of minutes, of which the latest day is there in finer steps.
const usualDays, usualDay = 8 * 24 * time.Hour, 25 * time.Hour

// recall has the rules learn from the stored metrics what was usual before this process. It reads a piece at a time and keeps nobody waiting for longer.
func (db *DB) recall(begun time.Time, stop <-chan struct{}) {
	t := db.chores.watched
	lesson := t.alarms.board.Lesson()
	if lesson == nil {
		return
	}
	ctx, cancel := until(stop)
	defer cancel()
	for _, stretch := range []struct{ from, to time.Time }{{begun.Add(-usualDays), begun.Add(-usualDay)}, {begun.Add(-usualDay), begun}} {
		if err := study(ctx, t.file, db.cfg.Telemetry.Interval, stretch.from, stretch.to, lesson); err != nil {
			if ctx.Err() == nil {
				db.log.Warn("what is usual is not known from the stored metrics, and is learnt anew", "file", t.file.Path(), "error", err)
			}
			return
		}
	}
	t.alarms.board.Learn(lesson)
}

// study shows a stretch of the stored metrics to a lesson.
func study(ctx context.Context, file *sidecar.File, interval time.Duration, from, to time.Time, l *alert.Lesson) error {
	step, err := metric.ReplayStep(ctx, file, interval, from)
	if err != nil {
		return err
	}
	begun := false
	return metric.Replay(ctx, file, step, from, to, l.Wants, func(at time.Time, readings []metric.Reading) error {
		if !begun {
			l.Begin(step, at.Add(-step))
			begun = true
		}
		l.Step(at, alertSamples(l, readings))
		return nil
	})
}

// savedEvery is how often what is remembered for diagnoses is written down: so much of it is lost with a process that is killed.
const savedEvery = 10 * time.Minute

// recollect takes up what processes before this one have remembered for diagnoses.
func (db *DB) recollect(ctx context.Context, now time.Time) {
	t := db.chores.watched
	if t.file == nil {
		return
	}
	x := &t.experience
	x.shelf, x.saved = diagnose.NewShelf(t.file), now
	plans, err := x.shelf.Load(ctx, &x.memory, now)
	if err != nil {
		db.log.Warn("what was usual before this start is not known: diagnoses judge figures by themselves until it is learnt anew", "file", t.file.Path(), "error", err)
		return
	}
	for _, p := range plans {
		x.plans.keep(p.Fingerprint, knownPlan{steps: p.Steps, rows: p.Rows, at: now}) // as of now, or what it has become meanwhile would be taken for what it was
	}
}

// writeDown writes down what is remembered, where it is time and nobody else writes into the file.
func (db *DB) writeDown(ctx context.Context, now time.Time, last bool) {
	t := db.chores.watched
	x := &t.experience
	if x.shelf == nil || !last && now.Sub(x.saved) < savedEvery && !now.Before(x.saved) {
		return
	}
	if l := t.alarms.lease; l != nil && !l.Held(ctx) {
		return
	}
	if last {
		x.memory.Settle()
	}
	x.saved = now
	bounded, cancel := context.WithTimeout(ctx, tellBound)
	defer cancel()
	if err := x.shelf.Save(bounded, &x.memory, x.plans.list()); err != nil {
		db.log.Warn("what is usual was not written down, and is not known after the next start", "file", t.file.Path(), "error", err)
	}
}

// list is what is known of plans.
func (p *planMemory) list() []diagnose.KnownPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]diagnose.KnownPlan, 0, len(p.known))
	for f, k := range p.known {
		if k.steps != "" {
			out = append(out, diagnose.KnownPlan{Fingerprint: f, Steps: k.steps, Rows: k.rows, At: k.at})
		}
	}
	return out
}
