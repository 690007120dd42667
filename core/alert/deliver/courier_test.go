package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/sidecar"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// ear is a sink that keeps what it hears.
type ear struct {
	mu    sync.Mutex
	heard []string
	at    []time.Time
	fails func(sdk.Alert) (contract.Outcome, error) // nil: it takes everything
	now   func() time.Time
}

// Identity implements contract.Sink.
func (e *ear) Identity() contract.Identity { return contract.Identity{Name: "ear"} }

// Notify implements contract.Sink.
func (e *ear) Notify(_ context.Context, alerts []sdk.Alert, at time.Time) (contract.Outcome, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := alerts[0]
	state := "resolved"
	if a.Firing {
		state = "firing"
	}
	e.heard = append(e.heard, fmt.Sprintf("%d %s", a.ID, state))
	e.at = append(e.at, at)
	if e.fails != nil {
		return e.fails(a)
	}
	return contract.Outcome{}, nil
}

func (e *ear) words() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// down fails, up takes everything.
func (e *ear) down() {
	e.set(func(sdk.Alert) (contract.Outcome, error) { return contract.Outcome{}, errors.New("nobody is there") })
}
func (e *ear) up() { e.set(nil) }

func (e *ear) set(fails func(sdk.Alert) (contract.Outcome, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fails = fails
}

// post is a courier in a test.
type post struct {
	*deliver.Courier
	t     testing.TB
	clock *clock.Fake
	file  *sidecar.File
	ended bool
}

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func openFile(t testing.TB, path string) *sidecar.File {
	t.Helper()
	f, err := sidecar.Open(t.Context(), path, 8<<20, deliver.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// open starts a courier; path "" keeps letters in memory.
func open(t testing.TB, path string, fake *clock.Fake, c deliver.Config) *post {
	t.Helper()
	p := &post{t: t, clock: fake}
	if path != "" {
		p.file = openFile(t, path)
		c.File = p.file
	}
	c.Clock, c.Log, c.Engine = fake, slog.New(slog.DiscardHandler), "test.db"
	if c.Patience == (deliver.Patience{}) {
		c.Patience = deliver.DefaultPatience()
	}
	var err error
	if p.Courier, err = deliver.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

func (p *post) end() {
	if p.ended {
		return
	}
	p.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.Close(ctx) // what is left in memory is lost, as it says
	if p.file != nil {
		_ = p.file.Close()
	}
}

// tell notes an alert as the evaluator does.
func (p *post) tell(id int64, firing bool) {
	p.t.Helper()
	a := alert.Alert{ID: id, Rule: "WriterBusy", Severity: alert.Critical, Firing: firing, Title: "busy", Since: start, At: p.clock.Now()}
	var err error
	if p.Stored() {
		err = p.file.Write(p.t.Context(), func(c *sqlite.Conn) error { return p.Enqueue(c, a) })
		p.Wake()
	} else {
		err = p.Notify(p.t.Context(), a)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// until polls a condition, and lets the clock run by step meanwhile.
func (p *post) until(what string, step time.Duration, done func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: did not happen; %+v", what, p.State(p.t.Context()))
		}
		p.clock.Advance(step)
		time.Sleep(time.Millisecond)
	}
}

// places runs a test with and without a file.
func places(t *testing.T, test func(t *testing.T, path string)) {
	t.Parallel()
	t.Run("file", func(t *testing.T) { t.Parallel(); test(t, filepath.Join(t.TempDir(), "telemetry.db")) })
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, "") })
}

func TestDelivery(t *testing.T) {
	places(t, func(t *testing.T, path string) {
		a, b := &ear{}, &ear{}
		p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}, {Name: "b", To: b}}})
		p.tell(1, true)
		p.tell(1, true) // noted again: told once
		p.tell(2, true)
		p.tell(1, false)
		want := []string{"1 firing", "2 firing", "1 resolved"}
		p.until("both hear everything", 0, func() bool { return len(a.words()) >= 3 && len(b.words()) >= 3 })
		for _, e := range []*ear{a, b} {
			if got := e.words(); !slices.Equal(got, want) {
				t.Errorf("heard %v, want %v", got, want)
			}
		}
		p.until("nothing waits", 0, func() bool { s := p.State(t.Context()); return s[0].Waiting == 0 && s[1].Waiting == 0 })
		if s := p.State(t.Context()); s[0].Counts["delivered"] != 3 || s[0].Dead != 0 || s[0].Open {
			t.Errorf("%+v", s)
		}
	})
}

// A sink that is away hears everything in the end, in the order of each alert, and another one is not kept waiting.
func TestSinkIsAway(t *testing.T) {
	places(t, func(t *testing.T, path string) {
		a, b := &ear{}, &ear{}
		a.down()
		p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}, {Name: "b", To: b}}})
		p.tell(1, true)
		p.tell(1, false)
		p.until("the other one hears", 0, func() bool { return len(b.words()) == 2 })
		p.until("it was tried often", time.Second, func() bool { return len(a.words()) >= 8 })
		if slices.Contains(a.words(), "1 resolved") {
			t.Errorf("the end overtook the beginning: %v", a.words())
		}
		a.up()
		p.until("it hears", time.Second, func() bool { return slices.Contains(a.words(), "1 resolved") })
		p.until("nothing waits", time.Second, func() bool { return p.State(t.Context())[0].Waiting == 0 })
		if got := a.words(); !slices.Equal(got[len(got)-2:], []string{"1 firing", "1 resolved"}) {
			t.Errorf("heard %v", got)
		}
	})
}

func TestDeadLetter(t *testing.T) {
	places(t, func(t *testing.T, path string) {
		a := &ear{}
		a.down()
		patience := deliver.DefaultPatience()
		patience.Age = time.Hour
		p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}, Patience: patience})
		p.tell(1, true)
		p.until("it is given up", 10*time.Second, func() bool { return p.State(t.Context())[0].Dead == 1 })
		letters, err := p.Dead(t.Context(), 10)
		if err != nil || len(letters) != 1 || letters[0].Alert.ID != 1 || letters[0].Attempts < 2 || letters[0].Reason != "nobody is there" || letters[0].Ended.Sub(letters[0].Queued) < time.Hour {
			t.Fatalf("%+v, %v", letters, err)
		}
		a.up()
		before := len(a.words())
		p.tell(1, false)
		p.until("the end arrives", 10*time.Second, func() bool { return len(a.words()) > before })
		if n, err := p.Resend(t.Context(), letters[0].ID); n != 1 && path != "" || err != nil {
			t.Fatalf("%d sent again, %v", n, err)
		}
		if path == "" {
			if _, err := p.Resend(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		// The end comes again behind the beginning: otherwise the receiver would believe for ever that it goes on.
		p.until("it arrives", time.Second, func() bool {
			got := a.words()[before:]
			return slices.Equal(got, []string{"1 resolved", "1 firing", "1 resolved"})
		})
	})
}

// What a sink itself says of an alert is followed.
func TestSinkSays(t *testing.T) {
	places(t, func(t *testing.T, path string) {
		a := &ear{}
		a.set(func(x sdk.Alert) (contract.Outcome, error) {
			r := abi.Record{Action: abi.Drop, Message: "no message can be made of it"}
			if x.ID == 2 {
				r = abi.Record{Action: abi.Retry, Aux: 600, Message: "later"}
			}
			return contract.Outcome{Verdicts: []abi.Record{r}}, nil
		})
		p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}})
		p.tell(1, true)
		p.tell(2, true)
		p.until("one is dead", 0, func() bool { return p.State(t.Context())[0].Dead == 1 && len(a.words()) == 2 })
		p.clock.Advance(599 * time.Second)
		a.up()
		p.tell(3, true)
		p.until("another one arrives", 0, func() bool { return len(a.words()) == 3 })
		if got := a.words(); got[2] != "3 firing" {
			t.Errorf("heard %v: the sink asked for ten minutes", got)
		}
		p.until("it is tried again", time.Second, func() bool { return len(a.words()) == 4 })
		if got := a.words(); got[3] != "2 firing" || a.at[3].Sub(start) < 600*time.Second {
			t.Errorf("heard %v at %v", got, a.at)
		}
	})
}

func TestOverflow(t *testing.T) {
	places(t, func(t *testing.T, path string) {
		a := &ear{}
		a.down()
		patience := deliver.DefaultPatience()
		patience.Queue = 3
		p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a}}, Patience: patience})
		for id := range int64(5) {
			p.tell(id+1, true)
		}
		p.until("two are given up", 0, func() bool {
			s := p.State(t.Context())[0]
			return s.Waiting == 3 && s.Dead == 2 && s.Counts["dead"] == 2
		})
		letters, err := p.Dead(t.Context(), 10)
		if err != nil || len(letters) != 2 || letters[0].Alert.ID+letters[1].Alert.ID != 3 || letters[0].Reason != "too many were waiting" {
			t.Errorf("%+v, %v", letters, err)
		}
	})
}

func TestRepeatAndHeartbeat(t *testing.T) {
	places(t, func(t *testing.T, path string) {
		a := &ear{}
		going := make(chan struct{})
		still := func(int64) bool {
			select {
			case <-going:
				return false
			default:
				return true
			}
		}
		p := open(t, path, clock.NewFake(start), deliver.Config{Sinks: []deliver.Sink{{Name: "a", To: a, Repeat: time.Minute, Heartbeat: time.Hour}}, StillFiring: still})
		p.tell(7, true)
		p.until("it is told", 0, func() bool { return len(a.words()) == 1 })
		p.until("it is told three times more", time.Second, func() bool { return len(a.words()) >= 4 })
		if took := p.clock.Now().Sub(start); took < 3*time.Minute {
			t.Errorf("three repetitions in %v", took)
		}
		close(going) // the evaluator knows better
		p.clock.Advance(time.Hour)
		p.until("a sign of life", time.Second, func() bool { return slices.Contains(a.words(), "0 firing") })
		firing := func() int { return strings.Count(strings.Join(a.words(), ","), "7 firing") }
		told, signs := firing(), len(a.words())-firing()
		p.until("more signs of life", time.Minute, func() bool { return len(a.words())-firing() > signs+1 })
		if n := firing(); n > told {
			t.Errorf("told %d times more of what the evaluator says is over: %v", n-told, a.words())
		}
		n := len(a.words())
		p.tell(7, false)
		p.until("it is over", 0, func() bool { return len(a.words()) > n })
		if got := a.words(); got[len(got)-1] != "7 resolved" {
			t.Errorf("heard %v", got)
		}
		p.until("it is counted", 0, func() bool { c := p.State(t.Context())[0].Counts; return c["repeated"] >= 3 && c["heartbeat"] >= 1 })
	})
}
