package alert_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// post is an outbox that notes what it is given; what is enqueued counts once the transaction around it is committed, so it is written to the file.
type post struct {
	mu     sync.Mutex
	direct []alert.Alert
	woken  int
	fail   error
}

func (p *post) Notify(_ context.Context, a alert.Alert) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.direct = append(p.direct, a)
	return nil
}

func (p *post) Enqueue(c *sqlite.Conn, a alert.Alert) error {
	return sidecar.Run(c, "INSERT INTO letters (id, firing, cause) VALUES (?, ?, ?)", a.ID, map[bool]int64{true: 1}[a.Firing], cause(a))
}

func (p *post) Wake() { p.woken++ }

func cause(a alert.Alert) string {
	if a.Diagnosis == nil {
		return ""
	}
	return a.Diagnosis.Cause
}

// office is a board on a file with its surroundings.
type office struct {
	t     *testing.T
	file  *sidecar.File
	post  *post
	board *alert.Board
	cfg   alert.BoardConfig
	now   time.Time
	level map[string]float64
}

func openOffice(t *testing.T, path string, change func(*alert.BoardConfig)) *office {
	t.Helper()
	rules, mistakes := alert.Compile([]alert.Definition{{Name: "High", Severity: alert.Critical, When: "max(level) by (pool) > 10 for 20s hold 20s", Title: "{pool} is at {value}, not {limit}"}}, metrics())
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	o := &office{t: t, post: &post{}, now: start(), level: map[string]float64{}}
	o.cfg = alert.BoardConfig{Rules: rules, Interval: interval, Start: o.now, Outbox: o.post, Log: slog.New(slog.DiscardHandler)}
	if path != "" {
		file, err := sidecar.Open(t.Context(), path, 8<<20, append(alert.Schema(), "CREATE TABLE IF NOT EXISTS letters (id INTEGER, firing INTEGER, cause TEXT, UNIQUE (id, firing))")...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		o.file, o.cfg.File = file, file
	}
	if change != nil {
		change(&o.cfg)
	}
	board, err := alert.NewBoard(t.Context(), o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.board = board
	return o
}

// pass lets n intervals pass with the levels as they are.
func (o *office) pass(n int) {
	o.t.Helper()
	for range n {
		o.now = o.now.Add(interval)
		var samples []alert.Sample
		for pool, v := range o.level {
			samples = append(samples, alert.Sample{Name: "level", Labels: []alert.Label{{Key: "pool", Value: pool}}, Value: v})
		}
		if err := o.board.Evaluate(o.t.Context(), o.now, samples); err != nil {
			o.t.Fatal(err)
		}
	}
}

// letters are what was enqueued and committed: + for a beginning, - for an end, with what is known of the cause.
func (o *office) letters() (out []string) {
	o.t.Helper()
	err := o.file.Read(o.t.Context(), func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT firing, cause, id FROM letters ORDER BY rowid", nil, func(v []sqlite.Value) error {
			out = append(out, map[int64]string{0: "-", 1: "+"}[v[0].Int]+string(v[1].Bytes))
			return nil
		})
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

func (o *office) want(letters ...string) {
	o.t.Helper()
	if got := o.letters(); !slices.Equal(got, letters) {
		o.t.Errorf("told: %v, want %v", got, letters)
	}
}

// asked is a diagnoser that does as a test says.
type asked func(context.Context, alert.Alert) *alert.Diagnosis

func (f asked) Diagnose(ctx context.Context, a alert.Alert) *alert.Diagnosis { return f(ctx, a) }

// An alert is told once when it begins and once when it ends, whatever restarts come between; a later one has another number.
func TestBoard(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	o := openOffice(t, path, nil)
	o.level["a"] = 12
	o.pass(5)
	o.want("+")
	first := o.board.Open()
	if len(first) != 1 || first[0].Title != "a is at 12, not 10" || !first[0].Told || !first[0].Since.Equal(start().Add(interval)) || !first[0].At.Equal(start().Add(3*interval)) {
		t.Fatalf("%+v", first)
	}
	for range 3 {
		o = openOffice(t, path, nil)
		o.level["a"] = 13
		o.pass(4)
		o.want("+")
		if got := o.board.Open(); len(got) != 1 || got[0].ID != first[0].ID || got[0].Value != 13 || !o.board.Firing(first[0].ID) || o.board.Counts() != [3]int{0, 0, 1} {
			t.Fatalf("after a restart: %+v", got)
		}
	}
	o.level["a"] = 1
	o.pass(3)
	o.want("+", "-")
	o.pass(10)
	o = openOffice(t, path, nil)
	o.pass(3)
	o.want("+", "-")
	o.level["a"], o.level["b"] = 12, 12
	o.pass(3)
	o.want("+", "-", "+", "+")
	latest, err := o.board.Latest(t.Context(), 10)
	if err != nil || len(latest) != 3 || latest[2].ID != first[0].ID || latest[2].Ended == nil || latest[1].ID <= first[0].ID || latest[0].ID <= latest[1].ID {
		t.Errorf("%+v, %v", latest, err)
	}
	history, err := o.board.History(t.Context(), 10)
	if err != nil || len(history) != 7 || history[6].What != alert.Fired || history[4].What != alert.Resolved {
		t.Errorf("%+v, %v", history, err)
	}
}

// A process that dies between the beginning of an alert and the word of it tells it after its next start, once, and under the same number.
func TestKilledBetween(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	type died struct{}
	var number int64
	o := openOffice(t, path, func(c *alert.BoardConfig) {
		c.Diagnoser = asked(func(_ context.Context, a alert.Alert) *alert.Diagnosis {
			number = a.ID
			return nil
		})
		c.Log = slog.New(slog.DiscardHandler)
	})
	o.level["a"] = 12
	o.pass(2)
	second := func() (found *office) { // what a second process finds at that moment
		found = openOffice(t, path, nil)
		found.level["a"] = 12
		return found
	}
	var late *office
	o.cfg.Diagnoser = asked(func(_ context.Context, a alert.Alert) *alert.Diagnosis {
		late, number = second(), a.ID
		late.want()
		panic(died{})
	})
	board, err := alert.NewBoard(t.Context(), o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.board = board
	o.post.fail = errors.New("dead")
	o.now = o.now.Add(interval)
	o.pass(2) // it begins: the second one looks while the cause is looked for
	if late != nil {
		t.Fatal("it has begun too early")
	}
	func() {
		defer func() { _ = recover() }()
		sample := []alert.Sample{{Name: "level", Labels: []alert.Label{{Key: "pool", Value: "a"}}, Value: 12}}
		_ = o.file.Write(t.Context(), func(c *sqlite.Conn) error { return c.Exec("ALTER TABLE letters RENAME TO gone") }) // and then nothing is passed on any more
		_ = o.board.Evaluate(t.Context(), o.now.Add(interval), sample)
		_ = o.file.Write(t.Context(), func(c *sqlite.Conn) error { return c.Exec("ALTER TABLE gone RENAME TO letters") })
	}()
	if late == nil || number == 0 {
		t.Fatal("nothing has begun")
	}
	late.pass(3)
	late.want("+")
	if open := late.board.Open(); len(open) != 1 || open[0].ID != number {
		t.Errorf("%+v, want the number %d", open, number)
	}
}

// Silenced alerts are kept and not told; one that outlives its silence is told then, and what was told as begun is told as ended.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{true, false} {
		path := ""
		if stored {
			path = filepath.Join(t.TempDir(), "t.db")
		}
		o := openOffice(t, path, nil)
		told := func(want ...string) {
			t.Helper()
			if stored {
				o.want(want...)
				return
			}
			var got []string
			for _, a := range o.post.direct {
				got = append(got, map[bool]string{true: "+", false: "-"}[a.Firing])
			}
			if !slices.Equal(got, want) {
				t.Errorf("told: %v, want %v", got, want)
			}
		}
		silence := func(label string, d time.Duration) alert.Silence {
			s, err := o.board.Silence(t.Context(), alert.Silence{Rule: "High", Labels: []alert.Label{{Key: "pool", Value: label}}, Until: o.now.Add(d), Why: "maintenance", By: "ops"}, o.now)
			if err != nil || s.ID == 0 {
				t.Fatal(s, err)
			}
			return s
		}
		silence("a", 100*time.Second)
		o.level["a"] = 12
		o.pass(5)
		told()
		if open := o.board.Open(); len(open) != 1 || open[0].Silence == 0 || open[0].Told {
			t.Errorf("%+v", open)
		}
		o.level["b"] = 12 // another one is told
		o.pass(3)
		told("+")
		o.pass(2) // the silence ends
		told("+", "+")
		s := silence("b", time.Hour)
		o.level["a"], o.level["b"] = 1, 1
		o.pass(3)
		told("+", "+", "-", "-")
		o.level["b"] = 12
		o.pass(3)
		o.level["b"] = 1
		o.pass(4) // begins and ends in silence
		told("+", "+", "-", "-")
		o.level["b"] = 12
		o.pass(4)
		if err := o.board.EndSilence(t.Context(), s.ID, o.now); err != nil {
			t.Fatal(err)
		}
		o.pass(1)
		told("+", "+", "-", "-", "+")
		var wrong *alert.SilenceError
		for _, bad := range []alert.Silence{{Rule: "None", Until: o.now.Add(time.Hour), Why: "x"}, {Until: o.now, Why: "x"}, {Until: o.now.Add(time.Hour)}, {Until: o.now.Add(1e4 * time.Hour), Why: "x"}} {
			if _, err := o.board.Silence(t.Context(), bad, o.now); !errors.As(err, &wrong) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		if err := o.board.EndSilence(t.Context(), s.ID, o.now); !errors.As(err, &wrong) {
			t.Errorf("ended twice: %v", err)
		}
	}
}

// A diagnosis comes with the alert; one that panics or does not come in time keeps nothing from being told.
func TestDiagnosis(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	var over []int64
	o := openOffice(t, filepath.Join(t.TempDir(), "t.db"), func(c *alert.BoardConfig) {
		c.Diagnoser = follower{asked(func(_ context.Context, a alert.Alert) *alert.Diagnosis {
			switch a.Labels[0].Value {
			case "a":
				return &alert.Diagnosis{Cause: "found"}
			case "b":
				panic("oops")
			}
			<-release
			return &alert.Diagnosis{Cause: "late"}
		}), &over}
	})
	o.level["a"], o.level["b"], o.level["c"] = 12, 12, 12
	o.pass(3)
	o.want("+found", "+", "+")
	o.level["a"] = 1
	o.pass(3)
	if len(over) != 1 {
		t.Errorf("%v are over", over)
	}
	stored, err := alert.NewShelf(o.file).Latest(t.Context(), 10, true)
	if err != nil || len(stored) != 2 {
		t.Errorf("%v, %v", stored, err)
	}
}

type follower struct {
	asked
	over *[]int64
}

func (f follower) Resolved(a alert.Alert) { *f.over = append(*f.over, a.ID) }

// A file that cannot be written keeps no alert from being told, and what could not be stored is stored later.
func TestFullFile(t *testing.T) {
	t.Parallel()
	o := openOffice(t, filepath.Join(t.TempDir(), "t.db"), nil)
	change := func(sql string) {
		if err := o.file.Write(t.Context(), func(c *sqlite.Conn) error { return c.Exec(sql) }); err != nil {
			t.Fatal(err)
		}
	}
	o.level["a"] = 12
	o.pass(2)
	change("ALTER TABLE alert RENAME TO away")
	o.now = o.now.Add(interval)
	sample := []alert.Sample{{Name: "level", Labels: []alert.Label{{Key: "pool", Value: "a"}}, Value: 12}}
	if err := o.board.Evaluate(t.Context(), o.now, sample); err == nil {
		t.Error("nobody is told that states are not stored")
	}
	if len(o.post.direct) != 1 || !o.post.direct[0].Firing {
		t.Fatalf("told: %+v", o.post.direct)
	}
	change("ALTER TABLE away RENAME TO alert")
	o.pass(1)
	o.want()
	if kept, err := alert.NewShelf(o.file).Latest(t.Context(), 10, true); err != nil || len(kept) != 1 || !kept[0].Told {
		t.Errorf("%+v, %v", kept, err)
	}
	o.level["a"] = 1
	o.pass(3)
	o.want("-")
}

// An alert whose rule is gone after a restart ends, and that is told.
func TestRemovedRule(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	o := openOffice(t, path, nil)
	o.level["a"] = 12
	o.pass(3)
	o = openOffice(t, path, func(c *alert.BoardConfig) { c.Rules = nil })
	o.pass(1)
	o.want("+", "-")
	if got, err := o.board.Latest(t.Context(), 1); err != nil || got[0].Ended == nil || got[0].Note == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// The past does not grow without bound, and numbers are never given again.
func TestTrimmed(t *testing.T) {
	t.Parallel()
	o := openOffice(t, "", nil)
	for i := range 2100 {
		o.level = map[string]float64{fmt.Sprint("p", i%700): 12}
		o.pass(3)
		o.level = map[string]float64{fmt.Sprint("p", i%700): 1}
		o.pass(3)
	}
	latest, err := o.board.Latest(t.Context(), 5000)
	if err != nil || len(latest) != 1000 {
		t.Errorf("%d alerts are kept, %v", len(latest), err)
	}
	seen := map[int64]bool{}
	for _, a := range o.post.direct {
		if a.Firing && seen[a.ID] {
			t.Fatalf("the number %d was given twice", a.ID)
		}
		seen[a.ID] = true
	}
	if len(seen) != 2100 {
		t.Errorf("%d alerts were told of, want 2100", len(seen))
	}
	if history, err := o.board.History(t.Context(), 20_000); err != nil || len(history) > 10_000 || len(history) < 4000 {
		t.Errorf("%d lines of history, %v", len(history), err)
	}
}
