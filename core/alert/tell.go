package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// patience is how long the diagnosis of all that begins at once may take.
const patience = 2 * time.Second

// due finds what is to be told, and notes what a silence covers.
func (b *Board) due(now time.Time) (begun, ended []*Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silences = slices.DeleteFunc(b.silences, func(s Silence) bool { return !now.Before(s.Until) })
	for _, e := range b.open {
		if e.Told {
			continue
		}
		covered := b.covering(&e.Alert, now)
		if covered == 0 {
			begun = append(begun, e)
		} else if covered != e.Silence {
			e.Silence, e.saved = covered, false
			b.happened(e.happening(Muted, now))
		}
	}
	for _, e := range b.over {
		if e.Told && !e.toldEnd {
			ended = append(ended, e)
		}
	}
	slices.SortFunc(begun, byID)
	slices.SortFunc(ended, byID)
	return begun, ended
}

// covering is the number of a silence that covers an alert; 0 where none does. The caller holds mu.
func (b *Board) covering(a *Alert, now time.Time) int64 {
	for i := range b.silences {
		if b.silences[i].covers(a, now) {
			return b.silences[i].ID
		}
	}
	return 0
}

// diagnose asks about what has just begun, about all of it at the same time.
func (b *Board) diagnose(ctx context.Context, begun []*Entry) {
	if b.c.Diagnoser == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type answer struct {
		of    *Entry
		found *Diagnosis
	}
	answers, asked := make(chan answer, len(begun)), 0
	for _, e := range begun {
		if e.Diagnosis != nil {
			continue // it was asked about before it could be passed on
		}
		asked++
		go func(a Alert) {
			var found *Diagnosis
			defer func() {
				if p := recover(); p != nil {
					b.c.Log.Error("the cause of an alert was not found: looking for it panicked", "rule", a.Rule, "panic", fmt.Sprint(p))
				}
				answers <- answer{e, found}
			}()
			found = b.c.Diagnoser.Diagnose(ctx, a)
		}(e.Alert)
	}
	for ; asked > 0; asked-- {
		select {
		case got := <-answers:
			b.mu.Lock()
			got.of.Diagnosis = got.found
			b.mu.Unlock()
		case <-ctx.Done():
			b.c.Log.Warn("the cause of an alert was not found in time", "waited", patience, "alerts", asked)
			return
		}
	}
}

// pass hands one alert to the outbox, in the transaction that stores that it did. Where the file cannot be written the outbox is asked to take it all the
// same: an alert about a full disk is worth more than its place in a file. It reports false where another process tells, and this one has told nothing.
func (b *Board) pass(ctx context.Context, e *Entry, now time.Time) bool {
	b.mu.Lock()
	before := *e
	if e.Firing {
		e.Told, e.Silence = true, 0
		b.happened(e.happening(Passed, now))
	} else {
		e.toldEnd = true
	}
	e.saved = false
	a, events, last := e.Alert, b.pending, b.last
	entries := b.unsaved()
	b.mu.Unlock()
	written := b.c.Outbox != nil
	if b.shelf != nil {
		err := b.shelf.save(ctx, entries, events, last, func(c *sqlite.Conn) error {
			if err := b.c.Lease.check(c); err != nil {
				return err
			}
			if b.c.Outbox != nil {
				return b.c.Outbox.Enqueue(c, a)
			}
			b.write(&a) // first: twice in the log is better than never
			written = true
			return nil
		})
		if errors.Is(err, errNotTeller) {
			return false
		}
		if err == nil {
			b.stored(entries, len(events))
			if b.c.Outbox != nil {
				b.c.Outbox.Wake()
			}
			return true
		}
		b.c.Log.Warn("the state of an alert was not stored; it is told all the same", "rule", a.Rule, "alert", a.ID, "error", err)
	}
	if !written {
		b.write(&a)
	}
	if b.c.Outbox != nil {
		if err := b.c.Outbox.Notify(ctx, a); err != nil {
			b.c.Log.Error("an alert was not passed on; the next interval tries again", "rule", a.Rule, "alert", a.ID, "error", err)
			b.mu.Lock()
			e.Told, e.toldEnd, e.Silence = before.Told, before.toldEnd, before.Silence
			b.mu.Unlock()
		}
	}
	return true
}

// write is what is done where there is no outbox.
func (b *Board) write(a *Alert) {
	level, word := slog.LevelWarn, "alert"
	if a.Severity == Critical {
		level = slog.LevelError
	}
	if !a.Firing {
		level, word = slog.LevelInfo, "alert is over"
	}
	attributes := []any{"rule", a.Rule, "severity", a.Severity.String(), "title", a.Title, "alert", a.ID}
	for _, l := range a.Labels {
		attributes = append(attributes, l.Key, l.Value)
	}
	if d := a.Diagnosis; d != nil && a.Firing {
		attributes = append(attributes, "cause", d.Cause, "summary", d.Summary)
	}
	b.c.Log.Log(context.Background(), level, word, attributes...)
}
