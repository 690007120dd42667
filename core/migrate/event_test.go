package migrate_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidegate/engine/core/migrate"
)

// Each change of the schema is told once, with how it ended, and counted.
func TestEventsAndMetrics(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	var events []migrate.Event
	hear := func(change func(*migrate.Config)) func(*migrate.Config) {
		return func(c *migrate.Config) {
			c.Ended = func(e migrate.Event) { events = append(events, e) }
			if change != nil {
				change(c)
			}
		}
	}
	last := func() migrate.Event {
		t.Helper()
		if len(events) == 0 {
			t.Fatal("no event")
		}
		return events[len(events)-1]
	}
	m := b.configured(hear(nil), load(t, columns(t, "a")))
	up(t, m)
	if e := last(); e.Kind != "up" || e.Err != nil || e.From != 0 || e.To != 2 || len(e.Applied) != 2 || e.Run == "" || e.Took < e.Locked || e.Locked == 0 {
		t.Errorf("%+v", e)
	}
	up(t, m)
	if len(events) != 1 {
		t.Errorf("a start with nothing to do made an event: %+v", events)
	}
	bad := b.configured(hear(nil), load(t, named(t, map[string]string{"0003_step.sql": "ADD COLUMN b => ADD COLUMN bal"}, "a", "b")))
	_, err := bad.Up(t.Context())
	var failed *migrate.Error
	if e := last(); !errors.As(err, &failed) || !errors.Is(e.Err, err) || e.From != 2 || e.To != 2 || len(e.Applied) != 0 {
		t.Errorf("%v: %+v", err, e)
	}
	if s := bad.Metrics(); s.Runs != 1 || s.Failed != 1 || s.Applied != 0 || s.LastError == nil {
		t.Errorf("%+v", s)
	}
	edited := b.configured(hear(nil), load(t, named(t, map[string]string{"0002_step.sql": "TEXT => ANY"}, "a")))
	if _, err := edited.Up(t.Context()); err == nil || len(last().Conflicts) != 1 || last().Conflicts[0].Code != migrate.Changed {
		t.Errorf("%v: %+v", err, last())
	}
	if s := edited.Metrics(); s.Refused != 1 || s.Runs != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
	probed := b.configured(hear(probes(migrate.Probe{Name: "no", Check: func(context.Context) error { return errProbe }})), load(t, columns(t, "a", "b")))
	if _, err := probed.Up(t.Context()); !errors.Is(err, errProbe) || !last().Restored || last().Run == "" {
		t.Errorf("%v: %+v", err, last())
	}
	if s := probed.Metrics(); s.Restored != 1 || s.Failed != 1 || s.Applied != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := m.Down(t.Context(), migrate.DownOptions{To: 1, AllowDataLoss: true}); err != nil || last().Kind != "down" || len(last().TakenBack) != 1 {
		t.Errorf("%v: %+v", err, last())
	}
	if s := m.Metrics(); s.Runs != 2 || s.Applied != 2 || s.TakenBack != 1 || s.LastEnd.IsZero() || s.LastError != nil {
		t.Errorf("%+v", s)
	}
}

// A database that must not be written to is not migrated, in whatever way.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	b := newBase(t)
	up(t, b.migrator(load(t, columns(t))))
	up(t, b.migrator(load(t, columns(t, "a"))))
	before, epoch := b.content(), b.integer("PRAGMA user_version")
	no := errors.New("not now")
	m := b.configured(func(c *migrate.Config) { c.Refuse = func(string) error { return no } }, load(t, columns(t, "a", "b")))
	_, upErr := m.Up(t.Context())
	_, downErr := m.Down(t.Context(), migrate.DownOptions{})
	_, baseErr := m.Baseline(t.Context(), migrate.BaselineOptions{})
	_, repairErr := m.Repair(t.Context(), migrate.RepairOptions{Rechain: true})
	_, _, restoreErr := m.Restore(t.Context(), migrate.RestoreOptions{})
	_, _, discardErr := m.Restore(t.Context(), migrate.RestoreOptions{Discard: true})
	for what, err := range map[string]error{"up": upErr, "down": downErr, "baseline": baseErr, "repair": repairErr, "restore": restoreErr, "discard": discardErr} {
		if !errors.Is(err, no) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if b.content() != before || b.integer("PRAGMA user_version") != epoch {
		t.Error("something was changed")
	}
}
