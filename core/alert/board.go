package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// Outbox passes alerts on. It is safe for concurrent use.
type Outbox interface {
	Notifier
	// Enqueue is Notify inside the caller's transaction of the file in which the states of alerts are stored; Wake is called once it is committed.
	Enqueue(c *sqlite.Conn, a Alert) error
	Wake()
}

// BoardConfig is what a Board is made of.
type BoardConfig struct {
	Rules []Rule
	// Interval is how often Evaluate is called, Start when all counters were 0.
	Interval time.Duration
	Start    time.Time
	// File has the Schema; nil keeps alerts in memory, and they end with the process.
	File *sidecar.File
	// Outbox is who passes alerts on; nil writes them to Log.
	Outbox Outbox
	// Lease says whether this process tells of the alerts of File, or watches while another one does; nil: it does. See Lead.
	Lease *Lease
	// Diagnoser is asked about each alert that begins; nil asks nobody.
	Diagnoser Diagnoser
	Log       *slog.Logger
}

// Board has the alerts of a database: it evaluates the rules, remembers what goes on across restarts, and has each alert told once when it begins and once
// when it ends. It is safe for concurrent use; evaluations wait for each other.
//
// A beginning is stored before its cause is looked for, and is passed on in the transaction that stores that it was: a process that is killed anywhere between
// tells it after its next start, and never a second time.
type Board struct {
	c     BoardConfig
	shelf *Shelf // nil: in memory

	evaluating sync.Mutex // guards watch and leads
	watch      *Watch
	leads      bool // it stores and tells

	mu       sync.Mutex // guards what follows
	open     map[string]*Entry
	over     []*Entry // ended, and not stored or told as such yet
	past     []Entry  // ended, oldest first, where there is no shelf
	events   []Happening
	pending  []Happening // not stored yet
	silences []Silence
	last     int64
	looked   time.Time
}

// NewBoard takes up what the file holds: what was firing goes on, and is not told again.
//
// # Errors
//
// Those of reading the file.
func NewBoard(ctx context.Context, c BoardConfig) (*Board, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	b := &Board{c: c, watch: NewWatch(c.Rules, c.Interval, c.Start), leads: true, open: map[string]*Entry{}}
	if c.File == nil {
		return b, nil
	}
	b.shelf = NewShelf(c.File)
	if c.Lease != nil && !c.Lease.Renew(ctx) {
		b.leads = false
		var err error
		b.silences, err = b.shelf.Silences(ctx, c.Start)
		return b, err
	}
	if err := b.takeUp(ctx, c.Start); err != nil {
		return nil, err
	}
	return b, nil
}

// Wants reports whether a rule asks about a metric.
func (b *Board) Wants(metric string) bool { return b.watch.Wants(metric) }

// Rules are those that are evaluated.
func (b *Board) Rules() []Rule { return slices.Clone(b.c.Rules) }

// Evaluate takes the samples of now. It stores and passes on what begins and what ends, and waits for the diagnosis of what begins for two seconds at
// most.
//
// # Errors
//
// Those of the file. Nothing is lost by one: alerts are passed on all the same, and what was not stored is with the next call.
func (b *Board) Evaluate(ctx context.Context, now time.Time, samples []Sample) error {
	b.evaluating.Lock()
	defer b.evaluating.Unlock()
	b.lead(ctx, now)
	events := b.watch.Step(now, samples)
	now = now.Round(0).UTC()
	unread := b.readSilences(ctx, now)
	if !b.leads {
		err := b.aside(ctx, events, now)
		b.mu.Lock()
		b.looked = now
		b.mu.Unlock()
		return errors.Join(err, unread)
	}
	b.mu.Lock()
	for i := range events {
		b.take(&events[i])
	}
	b.current()
	b.mu.Unlock()
	return errors.Join(b.settle(ctx, now), unread)
}

// settle stores and tells what there is to be stored and told. The caller holds evaluating.
func (b *Board) settle(ctx context.Context, now time.Time) error {
	safe, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // ctx may end because the engine does
	defer cancel()
	err := b.store(safe)
	if errors.Is(err, errNotTeller) {
		b.stepDown()
		return nil
	}
	begun, ended := b.due(now)
	b.diagnose(ctx, begun)
	for _, e := range slices.Concat(begun, ended) {
		if !b.pass(safe, e, now) {
			b.stepDown()
			return err
		}
	}
	b.leave(safe)
	b.mu.Lock()
	b.looked = now
	b.mu.Unlock()
	return err
}

// Looked is the instant of the latest evaluation that has come to its end; zero before the first.
func (b *Board) Looked() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looked
}

// leave stores what passing on has not, and puts away what has ended.
func (b *Board) leave(ctx context.Context) {
	if b.shelf != nil {
		if err := b.store(ctx); err != nil {
			b.mu.Lock()
			b.pending = b.pending[max(0, len(b.pending)-keptEvents):]
			b.mu.Unlock()
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.over {
		if e.toldEnd == e.Told {
			b.past = append(b.past, *e)
		}
	}
	b.over = slices.DeleteFunc(b.over, func(e *Entry) bool { return e.toldEnd == e.Told })
	b.past = slices.Delete(b.past, 0, max(0, len(b.past)-keptEnded))
}

// take makes an alert of a beginning, and ends one. The caller holds mu.
func (b *Board) take(ev *Event) {
	key := ev.Rule.Name + "\x00" + identity(ev.Labels)
	at := ev.At.UTC()
	if !ev.Firing {
		e := b.open[key]
		if e == nil {
			return
		}
		delete(b.open, key)
		e.Value = ev.Value
		if ev.Faded {
			b.end(e, Faded, "nothing was known of it for an hour", at)
			return
		}
		b.end(e, Resolved, "", at)
		return
	}
	// Numbers grow with the time, so that those of a file that was lost, or of a process that had none, are not given again.
	b.last = max(b.last+1, at.Unix())
	e := b.begin(ev)
	e.ID = b.last
	b.open[key] = e
	b.happened(e.happening(Fired, at))
}

// begin makes an alert, without its number.
func (b *Board) begin(ev *Event) *Entry {
	r := ev.Rule
	e := &Entry{group: identity(ev.Labels), Alert: Alert{Rule: r.Name, Severity: r.Severity, Firing: true, Labels: ev.Labels, Title: r.title(ev.Labels, ev.Value),
		Body: r.say(r.Body, ev.Labels, ev.Value), Value: ev.Value, Limit: r.limit, Unit: r.unit, Since: ev.Since.UTC(), At: ev.At.UTC(), Flapping: ev.Flapping}}
	if e.Flapping {
		e.Body += " It comes and goes: it stays open until it was well for half an hour, and nothing is told meanwhile."
	}
	return e
}

// end ends an alert. The caller holds mu, or nobody else knows b yet.
func (b *Board) end(e *Entry, what, note string, at time.Time) {
	at = at.Round(0).UTC()
	if f, ok := b.c.Diagnoser.(Follower); ok {
		f.Resolved(e.Alert)
	}
	e.Firing, e.Ended, e.At, e.Note, e.saved = false, &at, at, note, false
	b.over = append(b.over, e)
	b.happened(e.happening(what, at))
}

func (b *Board) happened(h Happening) {
	if b.shelf != nil {
		b.pending = append(b.pending, h)
		return
	}
	b.events = append(b.events, h)
	if len(b.events) > keptEvents {
		b.events = slices.Delete(b.events, 0, len(b.events)-keptEvents)
	}
}

// current notes the present values of what goes on. The caller holds mu.
func (b *Board) current() {
	if len(b.open) == 0 {
		return
	}
	for _, g := range b.watch.Standings() {
		if e := b.open[g.Rule+"\x00"+identity(g.Labels)]; e != nil && g.State != "ok" {
			e.Value, e.Flapping = g.Value, g.State == "flapping"
		}
	}
}

// store writes what is not stored yet.
func (b *Board) store(ctx context.Context) error {
	b.mu.Lock()
	entries, events := b.unsaved(), b.pending
	last := b.last
	b.mu.Unlock()
	if b.shelf == nil || len(entries) == 0 && len(events) == 0 {
		return nil
	}
	err := b.shelf.save(ctx, entries, events, last, b.c.Lease.check)
	if err == nil {
		b.stored(entries, len(events))
	}
	return err
}

// unsaved are the entries that the file does not have as they are, as copies of themselves would not be marked: only Evaluate changes them. The caller holds mu.
func (b *Board) unsaved() (out []*Entry) {
	for _, e := range b.open {
		if !e.saved {
			out = append(out, e)
		}
	}
	for _, e := range b.over {
		if !e.saved {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, byID)
	return out
}

func byID(a, b *Entry) int { return int(a.ID - b.ID) }

func (b *Board) stored(entries []*Entry, events int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		e.saved = true
	}
	b.pending = slices.Delete(b.pending, 0, events)
	b.over = slices.DeleteFunc(b.over, func(e *Entry) bool { return e.saved && e.toldEnd == e.Told })
}

// readSilences takes up those that another process has written.
func (b *Board) readSilences(ctx context.Context, now time.Time) error {
	if b.shelf == nil {
		return nil
	}
	found, err := b.shelf.Silences(ctx, now)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silences = found
	return nil
}

// Firing reports whether the alert of a number goes on.
func (b *Board) Firing(id int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.open {
		if e.ID == id {
			return true
		}
	}
	return false
}

// Counts is how many alerts go on of each severity.
func (b *Board) Counts() (of [Critical + 1]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.open {
		of[e.Severity]++
	}
	return of
}

// Open lists the alerts that go on, the most severe first, then the newest.
func (b *Board) Open() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Entry
	for _, e := range b.open {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return byID(&b, &a)
	})
	return out
}

// Latest lists the n newest alerts, newest first, those that have ended among them.
//
// # Errors
//
// Those of reading the file.
func (b *Board) Latest(ctx context.Context, n int) ([]Entry, error) {
	var out []Entry
	if b.shelf != nil {
		found, err := b.shelf.Latest(ctx, n, false)
		for _, e := range found {
			out = append(out, *e)
		}
		return out, err
	}
	out = b.Open()
	b.mu.Lock()
	out = append(out, b.past...)
	b.mu.Unlock()
	slices.SortFunc(out, func(a, b Entry) int { return byID(&b, &a) })
	return out[:min(n, len(out))], nil
}

// History lists the n latest things that have happened, newest first.
//
// # Errors
//
// Those of reading the file.
func (b *Board) History(ctx context.Context, n int) ([]Happening, error) {
	if b.shelf != nil {
		return b.shelf.History(ctx, n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.events[len(b.events)-min(n, len(b.events)):])
	slices.Reverse(out)
	return out, nil
}

// Standings is where each rule stands for each group of which something is known.
func (b *Board) Standings() []Standing {
	b.evaluating.Lock()
	defer b.evaluating.Unlock()
	return b.watch.Standings()
}

// Silences lists the silences that go on.
func (b *Board) Silences() []Silence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.silences)
}

// Silence begins a silence.
//
// # Errors
//
// *SilenceError for one that makes no sense; those of writing the file.
func (b *Board) Silence(ctx context.Context, s Silence, now time.Time) (Silence, error) {
	now = now.Round(0).UTC()
	if s.Rule != "" && !slices.ContainsFunc(b.c.Rules, func(r Rule) bool { return r.Name == s.Rule }) {
		return s, &SilenceError{fmt.Sprintf("there is no rule %s", s.Rule)}
	}
	slices.SortFunc(s.Labels, func(a, b Label) int { return strings.Compare(a.Key, b.Key) })
	var err error
	if b.shelf != nil {
		if s, err = b.shelf.Silence(ctx, s, now); err != nil {
			return s, err
		}
	} else if err = s.wrong(now); err != nil {
		return s, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shelf == nil {
		for _, other := range b.silences {
			s.ID = max(s.ID, other.ID)
		}
		s.ID, s.Made = s.ID+1, now
	}
	b.silences = append(slices.DeleteFunc(b.silences, func(o Silence) bool { return o.ID == s.ID }), s)
	return s, nil
}

// EndSilence ends a silence before its time.
//
// # Errors
//
// *SilenceError where there is none of the number; those of writing the file.
func (b *Board) EndSilence(ctx context.Context, id int64, now time.Time) error {
	if b.shelf != nil {
		if err := b.shelf.EndSilence(ctx, id, now); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.silences)
	b.silences = slices.DeleteFunc(b.silences, func(s Silence) bool { return s.ID == id })
	if n == len(b.silences) && b.shelf == nil {
		return &SilenceError{fmt.Sprintf("none of the number %d goes on", id)}
	}
	return nil
}
