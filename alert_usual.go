package engine

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/alert"
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
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
