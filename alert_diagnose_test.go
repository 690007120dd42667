package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/faultfs"
	"github.com/tidegate/engine/internal/testdb"
)

// incident is a cause that is put into a database which is at work, and the alert that must come of it.
type incident struct {
	name, rule, cause string
	// says is in the summary of the diagnosis, or in its evidence.
	says []string
	// config changes the configuration; also names rules whose alerts follow from the cause, too.
	config func(*engine.Config)
	also   []string
	// begin puts the cause in, go on is what it does in each interval, end takes it away. Each may be nil.
	begin, each, end func(*stage)
	// usual is the work of an interval that is there all the time, besides that of all incidents.
	usual func(*stage)
	// within bounds the intervals until the alert fires, and until it ends.
	within int
	// restart ends the engine before the cause comes, and starts it again.
	restart bool
}

// stage is a database with everything that an incident may do to it.
type stage struct {
	t      *testing.T
	db     *engine.DB
	clock  *clock.Fake
	faults *faultfs.Plan
	free   *atomic.Int64
	path   string
	undo   []func()
	open   func() *engine.DB
	last   any // what begin hands to each and end
	passed int // intervals
}

// rows is how many rows the tables of a stage have.
const rows = 5_000

func perform(t *testing.T, x *incident) *stage {
	t.Helper()
	s := &stage{t: t, clock: clock.NewFake(monday()), faults: &faultfs.Plan{}, free: new(atomic.Int64), path: filepath.Join(t.TempDir(), "stage.db")}
	s.free.Store(1 << 40)
	cfg := engine.DefaultConfig(s.path)
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Writer.Hold, cfg.Writer.QueueTimeout = 20*time.Second, 30*time.Second
	if x.config != nil {
		x.config(&cfg)
	}
	ctx := testdb.WithFree(testdb.WithFaults(testdb.WithClock(t.Context(), s.clock), s.faults), func(string) (int64, bool) { return s.free.Load(), true })
	s.open = func() *engine.DB {
		db, err := engine.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	s.db = s.open()
	db := s.db
	t.Cleanup(func() {
		s.faults.Clear()
		for _, f := range s.undo {
			f()
		}
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT) STRICT", "CREATE INDEX t_n ON t (n)", "CREATE TABLE reports (id INTEGER PRIMARY KEY, n INTEGER) STRICT",
		"CREATE TABLE strict_one (id INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT", "CREATE INDEX reports_n ON reports (n)",
		fmt.Sprintf("INSERT INTO t (n, v) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i, 'v' FROM c", rows),
		"INSERT INTO reports (n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 2000) SELECT i FROM c")
	return s
}

// blink is the end of an interval: a breaker that a probe has just left open rests for longer, so that the rules see it as it is nearly all the time.
const (
	blink   = 900 * time.Millisecond
	probing = 30 * time.Millisecond // more than lies between two looks at the breakers
)

// standing is where a rule stands, for messages.
func (s *stage) standing(rule string) (out string) {
	states, err := s.db.Alerts().States()
	for _, g := range states {
		if g.Rule == rule {
			out += fmt.Sprintf("%v %s: %v, at worst %v; ", g.Labels, g.State, g.Value, g.Worst)
		}
	}
	return fmt.Sprint(out, err)
}

// interval does the work and lets an interval pass; the rules were looked at when it returns.
func (s *stage) interval(work ...func(*stage)) {
	s.t.Helper()
	for _, w := range work {
		if w != nil {
			w(s)
		}
	}
	s.clock.Advance(s.db.Config().Telemetry.Interval - blink)
	left := blink
	eventually(s.t, "the end of the probes", func() bool {
		for _, b := range s.db.Stats().Breakers {
			if b.State == breaker.HalfOpen {
				if left > probing { // it wants another probe
					left -= probing
					s.clock.Advance(probing)
				}
				return b.RetryAfter == 0 // nobody has to wait: the next call probes it
			}
		}
		return true
	})
	s.clock.Advance(left)
	want := s.clock.Now()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		at, err := s.db.Alerts().Evaluated()
		switch {
		case err != nil:
			s.t.Fatal(err)
		case at.Equal(want):
			return
		case time.Now().After(end):
			s.t.Fatalf("the rules were not looked at: they were at %v, and it is %v", at, want)
		}
	}
}

// business is what happens in every interval of every stage.
func business(s *stage) {
	for i := range 3 {
		_ = s.db.QueryRow(s.t.Context(), "SELECT v FROM t WHERE n = ?", i+1, engine.WithName("lookup")).Scan(new(string))
	}
	s.passed++ // a row that is written as it is already writes nothing
	_, _ = s.db.Exec(s.t.Context(), "UPDATE t SET v = ? WHERE id = ?", fmt.Sprint("booked ", s.passed), 7, engine.WithName("booking"))
}

// innocent are faults that nobody is to be woken up for, nor to be told of as the cause: a report that has lost its index, of another class and on
// another lane; a row that a constraint refuses; a transaction that is taken back.
func innocent(s *stage) {
	ctx := s.t.Context()
	_ = s.db.QueryRow(ctx, "SELECT count(*) FROM reports a, reports b WHERE a.id <= 3 AND b.n >= a.n AND b.n < a.n + 1", engine.WithClass(engine.ClassMaintenance), engine.WithName("report")).Scan(new(int))
	if _, err := s.db.Exec(ctx, "INSERT INTO strict_one VALUES (1, NULL)", engine.WithName("import")); err == nil {
		s.t.Error("the row was not refused")
	}
	_ = s.db.Update(ctx, func(context.Context, *engine.Tx) error { return errMine }, engine.WithName("changed my mind"))
}

// events counts what has happened to the alerts of a rule.
func (s *stage) events(rule, what string) (n int) {
	s.t.Helper()
	history, err := s.db.Alerts().History(s.t.Context(), 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range history {
		if h.Rule == rule && h.What == what {
			n++
		}
	}
	return n
}

func (s *stage) firing() (all []engine.AlertEntry) {
	s.t.Helper()
	all, err := s.db.Alerts().Firing()
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// ofTheMachine are rules about how long things take: a machine that is busy with something else makes them fire without any incident.
func ofTheMachine() []string { return []string{"SignalLatencyHigh", "AnalyticsSlow", "WriterBusy"} }

// quietly checks that no alert goes on but those named. How long things take is the machine's business, so latency is only looked at by its own incidents.
func (s *stage) quietly(when string, but ...string) {
	s.t.Helper()
	for _, a := range s.firing() {
		if !slices.Contains(append(but, ofTheMachine()...), a.Rule) {
			s.t.Fatalf("%s: %s fires: %s", when, a.Rule, a.Title)
		}
	}
}

// run plays an incident from the usual work to its end.
func (x *incident) run(t *testing.T) {
	t.Parallel()
	s := perform(t, x)
	for range 8 {
		s.interval(business, x.usual)
	}
	exec(t, s.db, "DROP INDEX reports_n")
	for range 8 { // long enough for a rule to fire
		s.interval(business, x.usual, innocent)
	}
	s.quietly("with the innocent fault alone")
	for n := 0; slices.ContainsFunc(s.firing(), func(a engine.AlertEntry) bool { return a.Rule == x.rule }); n++ { // the machine was slow: not of our doing
		if n == 60 {
			t.Fatalf("%s fires without its cause: %s", x.rule, s.standing(x.rule))
		}
		s.interval(business, x.usual, innocent)
	}
	noise := s.events(x.rule, "fired")
	if noise > 0 && !slices.Contains(ofTheMachine(), x.rule) {
		t.Fatalf("%s has fired without its cause", x.rule)
	}
	if x.restart {
		if err := s.db.Close(); err != nil {
			t.Fatal(err)
		}
		s.db = s.open()
	}
	if x.begin != nil {
		x.begin(s)
	}
	n := 0
	for ; s.events(x.rule, "fired") == noise; n++ {
		if n == x.within {
			t.Fatalf("%s did not fire in %d intervals: %s", x.rule, n, s.standing(x.rule))
		}
		s.interval(business, x.usual, innocent, x.each)
	}
	s.explained(x)
	for range 3 {
		s.interval(business, x.usual, innocent, x.each)
	}
	if fired, over := s.events(x.rule, "fired"), s.events(x.rule, "resolved"); fired != noise+1 || over != noise {
		t.Fatalf("while the cause was there it fired %d times and ended %d times", fired-noise, over-noise)
	}
	if x.end != nil {
		x.end(s)
	}
	// The disk of a busy machine may be slow for a while without us: that it ends is what counts.
	for until := time.Now().Add(90 * time.Second); s.events(x.rule, "resolved") == noise; {
		if time.Now().After(until) {
			t.Fatalf("%s did not end: %s", x.rule, s.standing(x.rule))
		}
		s.interval(business, x.usual, innocent)
	}
	for range 5 {
		s.interval(business, x.usual, innocent)
	}
	if fired, over := s.events(x.rule, "fired"), s.events(x.rule, "resolved"); fired != noise+1 || over != noise+1 {
		t.Errorf("it fired %d times and ended %d times, want once each", fired-noise, over-noise)
	}
	room, wanted := 0, len(s.firing())
	for i := range trace.MaxCaptures {
		if s.db.Trace().Keep(fmt.Sprint("room ", i), "", 1) {
			room++
		}
	}
	if room < trace.MaxCaptures-wanted {
		t.Errorf("there is room for %d copies of the flight recorder while %d alerts go on: what an alert that ended had kept does not make room", room, wanted)
	}
}

// explained checks the diagnosis.
func (s *stage) explained(x *incident) {
	s.t.Helper()
	s.quietly("with the cause", append(x.also, x.rule)...)
	all := s.firing()
	i := slices.IndexFunc(all, func(a engine.AlertEntry) bool { return a.Rule == x.rule })
	if i < 0 {
		s.t.Fatalf("%s has fired, and does not go on: %+v", x.rule, all)
	}
	d := all[i].Diagnosis
	if d == nil {
		s.t.Fatalf("%s has no diagnosis", x.rule)
	}
	told := strings.Join(append([]string{d.Summary}, d.Evidence...), "\n")
	if d.Cause != x.cause {
		s.t.Fatalf("the cause of %s is said to be %s: %s\nruled out: %s", x.rule, d.Cause, told, strings.Join(d.Ruled, "\n"))
	}
	for _, want := range x.says {
		if !strings.Contains(told, want) {
			s.t.Errorf("%q is not in the diagnosis:\n%s", want, told)
		}
	}
	if len(d.Ruled) == 0 || len(d.Advice) == 0 {
		s.t.Errorf("nothing is ruled out, or nothing advised: %+v", d)
	}
	if text, err := json.Marshal(d); err != nil || strings.Contains(string(text), "booked") {
		s.t.Errorf("a bound value is in the diagnosis, or: %v\n%s", err, text)
	}
	if c := s.db.Trace().Captured(d.Frozen); d.Frozen == "" || c == nil || c.Len() == 0 || c.Reason != x.rule {
		s.t.Errorf("the flight recorder was not frozen: %q, %v", d.Frozen, c)
	}
}

// TestEveryDefaultAlertIsInjected: there is no default rule without an incident, and no incident of a rule that is not there.
func TestEveryDefaultAlertIsInjected(t *testing.T) {
	t.Parallel()
	left := map[string]bool{}
	for _, r := range engine.DefaultConfig("sqlite://").DefaultAlertRules() {
		left[r.Name] = true
	}
	known := maps.Clone(left)
	for _, x := range slices.Concat(latencyIncidents(), storageIncidents(), workIncidents(t)) {
		if delete(left, x.rule); !known[x.rule] {
			t.Errorf("%s: there is no rule %s", x.name, x.rule)
		}
	}
	for name := range left {
		t.Errorf("nothing injects the cause of %s", name)
	}
}
