package alert

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// aloneFor is at how many evaluations one who watches must have been the only one to see an alert before he tells of it himself: what the teller sees as
// well, he sees by then.
const aloneFor = 4

// lead takes up the file where the lease was got, and steps down where it was lost. The caller holds evaluating.
func (b *Board) lead(ctx context.Context, now time.Time) {
	if b.c.Lease == nil || b.shelf == nil {
		return
	}
	switch held := b.c.Lease.Renew(ctx); {
	case held && !b.leads:
		if err := b.takeUp(ctx, now); err != nil {
			b.c.Log.Warn("the alerts of the file cannot be read, and are not told until they can", "error", err)
			return
		}
		b.c.Log.Info("this process tells of alerts now")
	case !held && b.leads:
		b.stepDown()
	}
}

// takeUp makes what the file holds and what was seen here one: what the file has as firing goes on, and is not told again; what was seen here alone begins.
func (b *Board) takeUp(ctx context.Context, now time.Time) error {
	last, err := b.shelf.last(ctx)
	if err != nil {
		return err
	}
	found, err := b.shelf.open(ctx)
	if err != nil {
		return err
	}
	silences, err := b.shelf.Silences(ctx, now)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.open
	b.leads, b.open, b.over, b.pending, b.last, b.silences = true, map[string]*Entry{}, nil, nil, max(last, b.last), silences
	for _, e := range found {
		switch {
		case !e.Firing:
			b.over = append(b.over, e)
		case b.open[e.key()] == nil && b.watch.Resume(e.Rule, e.Labels, e.Since, e.Value, e.Flapping):
			b.open[e.key()] = e
		default:
			b.end(e, Removed, "its rule is not there any more", now)
		}
	}
	for key, e := range own {
		if b.open[key] != nil {
			continue
		}
		if !e.Told {
			e.ID = max(b.last+1, e.At.Unix())
		}
		b.last = max(b.last, e.ID)
		e.saved = false
		b.open[key] = e
		b.happened(e.happening(Fired, e.At))
	}
	return nil
}

// stepDown leaves the file to whoever has the lease now: he has taken up what is in it. The caller holds evaluating.
func (b *Board) stepDown() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leads, b.over, b.pending = false, nil, nil
	for _, e := range b.open {
		e.alone = 0
	}
	b.c.Log.Warn("another process tells of alerts now: this one watches")
}

// Lead is to be called every LeaseBeat: it renews the lease, and tells what is to be told once it was got. It does not wait for an evaluation that is under
// way, which does the same.
func (b *Board) Lead(ctx context.Context, now time.Time) {
	b.c.Lease.Renew(ctx)
	if !b.evaluating.TryLock() {
		return
	}
	defer b.evaluating.Unlock()
	led := b.leads
	b.lead(ctx, now)
	if b.leads && !led {
		if err := b.settle(ctx, now.Round(0).UTC()); err != nil {
			b.c.Log.Warn("the states of alerts were not stored; the next interval tries again", "error", err)
		}
	}
}

// aside is what an evaluation of one who watches comes to. What nobody else sees he tells of all the same, a little later: how long calls take, for example,
// is known to the process alone that makes them.
func (b *Board) aside(ctx context.Context, events []Event, now time.Time) error {
	var over []*Entry
	b.mu.Lock()
	for i := range events {
		ev := &events[i]
		key := ev.Rule.Name + "\x00" + identity(ev.Labels)
		e := b.open[key]
		if ev.Firing {
			e = b.begin(ev)
			e.ID = ev.At.UnixMicro() // which no number of the file is
			b.open[key] = e
			continue
		}
		if e == nil {
			continue
		}
		delete(b.open, key)
		if f, ok := b.c.Diagnoser.(Follower); ok {
			f.Resolved(e.Alert)
		}
		if at := ev.At.UTC(); e.alone >= aloneFor {
			e.Firing, e.Ended, e.At, e.Value = false, &at, at, ev.Value
			over = append(over, e)
		}
	}
	b.current()
	seen := len(b.open) > 0
	b.mu.Unlock()
	if seen {
		found, err := b.shelf.open(ctx)
		if err != nil {
			return err
		}
		begun := b.lonely(found, now)
		b.diagnose(ctx, begun)
		for _, e := range begun {
			b.tellAside(ctx, e)
		}
	}
	for _, e := range over {
		b.tellAside(ctx, e)
	}
	return nil
}

// lonely finds what nobody but this process has seen for long enough to tell of it.
func (b *Board) lonely(found []*Entry, now time.Time) (begun []*Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.open {
		switch {
		case e.Told:
		case slices.ContainsFunc(found, func(f *Entry) bool { return f.Firing && f.key() == key }):
			e.alone = 0
		case e.alone < aloneFor:
			e.alone++
		}
		if !e.Told && e.alone >= aloneFor && b.covering(&e.Alert, now) == 0 {
			begun = append(begun, e)
		}
	}
	slices.SortFunc(begun, byID)
	return begun
}

// tellAside passes on what the file has no entry of.
func (b *Board) tellAside(ctx context.Context, e *Entry) {
	b.mu.Lock()
	told := e.Told
	e.Told, e.toldEnd = true, !e.Firing
	a := e.Alert
	b.mu.Unlock()
	if !a.Firing && !told {
		return // it was silenced all the time
	}
	if b.c.Outbox == nil {
		b.write(&a)
		return
	}
	if err := b.c.Outbox.Notify(ctx, a); err != nil {
		b.c.Log.Error(fmt.Sprintf("an alert that this process alone sees was not passed on: %s", a.Title), "rule", a.Rule, "error", err)
	}
}
