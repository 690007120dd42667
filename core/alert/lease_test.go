package alert_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// shared is the time of those who share a file.
type shared struct{ now time.Time }

// share opens an office on a file that others share.
func (s *shared) share(t *testing.T, path string) *office {
	t.Helper()
	o := openOffice(t, path, func(c *alert.BoardConfig) {
		c.Lease = alert.NewLease(c.File, func() time.Time { return s.now })
		c.Diagnoser = asked(func(context.Context, alert.Alert) *alert.Diagnosis { return nil })
	})
	return o
}

// together lets n intervals pass in all that live, the first one first in each.
func (s *shared) together(n int, living ...*office) {
	for range n {
		for range interval / alert.LeaseBeat {
			s.now = s.now.Add(alert.LeaseBeat)
			for _, o := range living {
				o.board.Lead(o.t.Context(), s.now)
			}
		}
		for _, o := range living {
			o.now = s.now.Add(-interval) // to which it adds one
			o.pass(1)
		}
	}
}

func (o *office) tells() bool { return o.cfg.Lease.Teller().Self }

// Of processes that share a file one tells of what all of them see, once, however often who it is changes; what was told stays told.
func TestOneTells(t *testing.T) {
	t.Parallel()
	s := &shared{start()}
	path := filepath.Join(t.TempDir(), "t.db")
	a, b, c := s.share(t, path), s.share(t, path), s.share(t, path)
	if !a.tells() || b.tells() || c.tells() {
		t.Fatalf("tells: %v, %v, %v", a.tells(), b.tells(), c.tells())
	}
	if who := b.cfg.Lease.Teller(); who.Process == 0 || who.Self || who.Heard.IsZero() {
		t.Errorf("%+v", who)
	}
	for _, o := range []*office{a, b, c} {
		o.level["a"] = 12
	}
	s.together(8, b, a, c) // one who watches sees it before the teller does
	a.want("+")
	for _, o := range []*office{a, b, c} {
		if got := o.board.Open(); len(got) != 1 || got[0].Rule != "High" {
			t.Fatalf("%+v", got)
		}
	}
	number := a.board.Open()[0].ID
	// The teller is killed: nothing is heard of it any more.
	s.together(1, b, c)
	if b.tells() == c.tells() {
		t.Fatalf("after the teller's end: %v, %v", b.tells(), c.tells())
	}
	s.together(8, b, c)
	a.want("+")
	if got := b.board.Open(); len(got) != 1 || got[0].ID != number {
		t.Errorf("the successor has %+v, want the number %d", got, number)
	}
	// It comes back, as one who was stopped does, and finds out before it tells.
	a.level["a"] = 1
	s.together(4, a, b, c)
	a.want("+")
	if a.tells() {
		t.Error("there are two who tell")
	}
	for _, o := range []*office{b, c} {
		o.level["a"] = 1
		if o.tells() {
			if err := o.cfg.Lease.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.together(8, c, a)
	a.want("+", "-")
	if !a.tells() && !c.tells() {
		t.Error("after it was given back nobody tells")
	}
	if n := len(b.post.direct) + len(c.post.direct) + len(a.post.direct); n != 0 {
		t.Errorf("%d were told beside the file", n)
	}
}

// A teller that was stopped in the middle of an evaluation does not tell when it goes on: the transaction that would finds another one's name.
func TestStoppedTeller(t *testing.T) {
	t.Parallel()
	s := &shared{start()}
	path := filepath.Join(t.TempDir(), "t.db")
	a, b := s.share(t, path), s.share(t, path)
	a.level["a"], b.level["a"] = 12, 12
	s.together(2, a, b)
	stopped := false
	cfg := a.cfg
	cfg.Diagnoser = asked(func(context.Context, alert.Alert) *alert.Diagnosis {
		stopped = true // between the stored beginning and the word of it
		s.together(2, b)
		return nil
	})
	board, err := alert.NewBoard(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.board = board
	s.together(1, a)
	s.together(3, a, b)
	if !stopped || a.tells() || !b.tells() {
		t.Fatalf("stopped %v; tells: %v, %v", stopped, a.tells(), b.tells())
	}
	b.want("+")
	if open := b.board.Open(); len(open) != 1 || !open[0].Told || len(a.post.direct)+len(b.post.direct) != 0 {
		t.Errorf("%+v; beside the file was told %+v and %+v", open, a.post.direct, b.post.direct)
	}
}

// What one who watches sees alone he tells of, once, a little later; and what he has told goes on under its number when he becomes the teller.
func TestSeenAlone(t *testing.T) {
	t.Parallel()
	s := &shared{start()}
	path := filepath.Join(t.TempDir(), "t.db")
	a, b := s.share(t, path), s.share(t, path)
	b.level["b"] = 12
	s.together(4, a, b)
	if len(b.post.direct) != 0 {
		t.Fatalf("told at once: %+v", b.post.direct)
	}
	s.together(8, a, b)
	if len(b.post.direct) != 1 || !b.post.direct[0].Firing {
		t.Fatalf("told: %+v", b.post.direct)
	}
	number := b.post.direct[0].ID
	if err := a.cfg.Lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.together(4, b)
	if open := b.board.Open(); len(open) != 1 || open[0].ID != number || len(b.post.direct) != 1 {
		t.Errorf("as the teller it has %+v, and told %+v", open, b.post.direct)
	}
	b.want()
	b.level["b"] = 1
	s.together(4, b)
	b.want("-")
	b.level["c"] = 12
	s.together(4, b)
	b.want("-", "+")
	if latest, err := b.board.Latest(t.Context(), 10); err != nil || len(latest) != 2 || latest[0].ID <= number {
		t.Errorf("%+v, %v", latest, err)
	}
}

// What he has told as one who watches he also tells the end of, and a silence covers it.
func TestSeenAloneEnds(t *testing.T) {
	t.Parallel()
	s := &shared{start()}
	path := filepath.Join(t.TempDir(), "t.db")
	a, b := s.share(t, path), s.share(t, path)
	b.level["b"], b.level["quiet"] = 12, 12
	silence := alert.Silence{Rule: "High", Labels: []alert.Label{{Key: "pool", Value: "quiet"}}, Until: start().Add(time.Hour), Why: "known"}
	if _, err := b.board.Silence(t.Context(), silence, start()); err != nil {
		t.Fatal(err)
	}
	s.together(12, a, b)
	b.level["b"], b.level["quiet"] = 1, 1
	s.together(12, a, b)
	var told []bool
	for _, l := range b.post.direct {
		if l.Labels[0].Value != "b" {
			t.Errorf("%+v is silenced", l)
		}
		told = append(told, l.Firing)
	}
	if !slices.Equal(told, []bool{true, false}) {
		t.Errorf("told: %v", told)
	}
	if open := b.board.Open(); len(open) != 0 {
		t.Errorf("%+v", open)
	}
}

// A clock that was set back does not make a dead teller live for as long, and a file that nobody can write keeps nobody from telling.
func TestLease(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	file, err := sidecar.Open(t.Context(), path, 8<<20, alert.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	now := start()
	clock := func() time.Time { return now }
	first, second := alert.NewLease(file, clock), alert.NewLease(file, clock)
	if !first.Renew(t.Context()) || second.Renew(t.Context()) {
		t.Fatal("not one of two")
	}
	now = now.Add(4 * time.Second)
	if second.Renew(t.Context()) || !first.Held(t.Context()) || second.Held(t.Context()) {
		t.Error("it was lost in four seconds")
	}
	now = now.Add(6 * time.Second)
	if !second.Renew(t.Context()) || first.Held(t.Context()) {
		t.Error("after ten seconds without a word it is not another one's")
	}
	now = now.Add(-24 * time.Hour)
	if !first.Renew(t.Context()) || second.Held(t.Context()) {
		t.Error("a day back a dead one lives")
	}
	if err := first.Release(t.Context()); err != nil || first.Renew(t.Context()) || first.Teller().Self {
		t.Errorf("it was given back, and is not: %v", err)
	}
	err = file.Write(t.Context(), func(c *sqlite.Conn) error {
		return c.Exec("CREATE TRIGGER no BEFORE INSERT ON alert_teller BEGIN SELECT raise(ABORT, 'full'); END")
	})
	if err != nil {
		t.Fatal(err)
	}
	if third := alert.NewLease(file, clock); !third.Renew(t.Context()) {
		t.Error("the file cannot be written, and nobody tells")
	}
}
