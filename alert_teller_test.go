package engine_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/testdb"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/policies/webhook"
)

// The environment of a process that TestOneProcessTells starts: the folder that it shares with the others, its name, and where the webhooks go.
const watcherFolder, watcherName, watcherURL = "TIDEGATE_TEST_WATCHER_FOLDER", "TIDEGATE_TEST_WATCHER_NAME", "TIDEGATE_TEST_WATCHER_URL"

// TestWatcher is such a process. The file "full" in the folder says that the disk is full, for all of them; a file of its name that its calls fail. It writes
// a line whenever what it knows is another thing.
func TestWatcher(t *testing.T) {
	folder, name := os.Getenv(watcherFolder), os.Getenv(watcherName)
	if folder == "" {
		t.Skip("this is a process of TestOneProcessTells")
	}
	there := func(file string) bool {
		_, err := os.Stat(filepath.Join(folder, file))
		return err == nil
	}
	sink, err := builtin.Sink(t.Context(), builtin.SinkSetup{Name: "webhook", Make: webhook.New, Config: map[string]any{"endpoint": "ops"}, Endpoints: []string{"ops"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.DefaultConfig(filepath.Join(folder, "shared.db"))
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stdout, nil)) // its parent shows it where it fails
	cfg.Telemetry.Store, cfg.Telemetry.Interval = true, time.Second
	for _, r := range cfg.DefaultAlertRules() {
		cfg.Alerts.Off = append(cfg.Alerts.Off, r.Name)
	}
	cfg.Alerts.Rules = []engine.AlertRule{{Name: "Full", When: "min(engine.disk.free) < 1GB resolve > 1GB for 2s", Severity: engine.AlertCritical},
		{Name: "Failing", When: "increase(engine.errors[5s]) > 3 resolve < 1", Severity: engine.AlertWarning}}
	cfg.Alerts.Deliver.Sinks = []engine.AlertSink{{Name: "ops", To: sink}}
	cfg.Alerts.Deliver.Endpoints = []engine.AlertEndpoint{{Name: "ops", URL: engine.Secret(os.Getenv(watcherURL))}}
	ctx := testdb.WithFree(t.Context(), func(string) (int64, bool) {
		if there("full") {
			return 1, true
		}
		return 1 << 40, true
	})
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // the end of the parent
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	said, looks, looked := "", 0, time.Time{}
	for {
		teller, err := db.Alerts().Teller()
		if err != nil {
			t.Fatal(err)
		}
		open, _ := db.Alerts().Firing()
		at, _ := db.Alerts().Evaluated()
		if at.After(looked) {
			looks, looked = looks+1, at
			if there(name) {
				failOften(t, db)
			}
		}
		var firing []string
		for _, e := range open {
			firing = append(firing, e.Rule)
		}
		slices.Sort(firing)
		if now := fmt.Sprintf("%v %s %d", teller.Self, strings.Join(firing, "+"), looks); now != said {
			said = now
			fmt.Println("KNOWS " + now)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// watcher is such a process as its parent knows it.
type watcher struct {
	name string
	cmd  *osexec.Cmd

	mu     sync.Mutex
	tells  bool
	firing string
	looks  int
	gone   bool
	said   []string // what else it wrote: why it ended
}

func startWatcher(t *testing.T, folder, name, url string) *watcher {
	t.Helper()
	w := &watcher{name: name, cmd: osexec.Command(os.Args[0], "-test.run=^TestWatcher$", "-test.timeout=5m")}
	w.cmd.Env = append(os.Environ(), watcherFolder+"="+folder, watcherName+"="+name, watcherURL+"="+url)
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		<-read
		_ = w.cmd.Wait()
		if t.Failed() {
			t.Logf("%s, tells %v, %q, %d looks: %s", w.name, w.tells, w.firing, w.looks, strings.Join(w.said, "\n"))
		}
	})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "KNOWS "); ok {
				parts := strings.Split(text, " ")
				w.mu.Lock()
				w.tells, w.firing = parts[0] == "true", parts[1]
				_, _ = fmt.Sscan(parts[2], &w.looks)
				w.mu.Unlock()
				continue
			}
			w.said = append(w.said, lines.Text())
		}
		w.mu.Lock()
		w.gone, w.tells = true, false
		w.mu.Unlock()
	}()
	return w
}

func (w *watcher) state() (tells bool, firing string, looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tells, w.firing, w.looks
}

func (w *watcher) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// inTime waits for processes on a machine that may be busy.
func inTime(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// all waits until it is true of each.
func all(t *testing.T, what string, of []*watcher, is func(tells bool, firing string, looks int) bool) {
	t.Helper()
	inTime(t, what, func() bool {
		return !slices.ContainsFunc(of, func(w *watcher) bool {
			if w.ended() {
				t.Fatalf("%s: %s has ended", what, w.name)
			}
			return !is(w.state())
		})
	})
}

// further waits until each has looked a few times more: what was going to be told has been told.
func further(t *testing.T, of []*watcher) {
	t.Helper()
	from := make([]int, len(of))
	for i, w := range of {
		_, _, from[i] = w.state()
	}
	for i, w := range of {
		all(t, "further looks", []*watcher{w}, func(_ bool, _ string, looks int) bool { return looks >= from[i]+6 })
	}
}

// Processes that share a telemetry database tell of each incident once, also when the one that tells is killed meanwhile; another one takes its place
// within seconds. What one process alone has to complain of is told as well, once.
func TestOneProcessTells(t *testing.T) {
	t.Parallel()
	ops, folder := openOpsRoom(t), t.TempDir()
	flag := func(name string, set bool) {
		t.Helper()
		path := filepath.Join(folder, name)
		err := os.Remove(path)
		if set {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func(rule string, want ...string) {
		t.Helper()
		var got []string
		for _, b := range ops.of(rule) {
			got = append(got, b.Type)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("of %s was told %v, want %v", rule, got, want)
		}
	}
	var live []*watcher
	for i := range 3 {
		live = append(live, startWatcher(t, folder, fmt.Sprint("w", i), ops.URL))
	}
	tellers := func() (n, at int) {
		for i, w := range live {
			if tells, _, _ := w.state(); tells {
				n, at = n+1, i
			}
		}
		return n, at
	}
	one := func() (at int) {
		t.Helper()
		inTime(t, "one who tells", func() bool {
			var n int
			n, at = tellers()
			return n == 1
		})
		return at
	}
	all(t, "a first look", live, func(_ bool, _ string, looks int) bool { return looks > 0 })
	teller := one()
	flag("full", true)
	all(t, "each sees it", live, func(_ bool, firing string, _ int) bool { return firing == "Full" })
	further(t, live)
	told("Full", "alert.firing")
	killed := time.Now()
	if err := live[teller].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	live = slices.Delete(live, teller, teller+1)
	teller = one()
	t.Logf("succeeded after %v", time.Since(killed).Round(time.Millisecond))
	flag("full", false)
	inTime(t, "that it is over is told", func() bool { return len(ops.of("Full")) > 1 })
	alone := live[1-teller] // it watches
	flag(alone.name, true)
	inTime(t, "it is told of", func() bool { return len(ops.of("Failing")) > 0 })
	flag(alone.name, false)
	all(t, "it is over", live, func(_ bool, firing string, _ int) bool { return firing == "" })
	further(t, live)
	told("Failing", "alert.firing", "alert.resolved")
	told("Full", "alert.firing", "alert.resolved")
	ops.mu.Lock()
	defer ops.mu.Unlock()
	if keys := slices.Sorted(slices.Values(ops.keys)); len(slices.Compact(keys)) != len(ops.keys) {
		t.Errorf("keys: %v", ops.keys)
	}
	if n, _ := tellers(); n != 1 {
		t.Errorf("%d tell", n)
	}
}
