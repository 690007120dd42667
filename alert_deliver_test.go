package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/enginetest"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/policies/alertmanager"
	"github.com/tidegate/engine/policies/webhook"
	"github.com/tidegate/engine/sdk/contract"
)

// opsRoom is a server that webhooks are posted to. While it is down it answers 503.
type opsRoom struct {
	*httptest.Server
	mu   sync.Mutex
	down bool
	keys []string
	got  []webhookBody
}

// webhookBody is what the policy webhook posts.
type webhookBody struct {
	Type string
	Data struct {
		Rule, Severity, Title string
		Value                 float64
		Labels                map[string]string
		Diagnosis             *engine.AlertDiagnosis
	}
}

func openOpsRoom(t *testing.T) *opsRoom {
	r := &opsRoom{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var b webhookBody
		if err := json.Unmarshal(raw, &b); err != nil {
			t.Errorf("%v: %s", err, raw)
		}
		r.keys, r.got = append(r.keys, q.Header.Get("Idempotency-Key")), append(r.got, b)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *opsRoom) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// of are the messages about a rule.
func (r *opsRoom) of(rule string) (out []webhookBody) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.got {
		if b.Data.Rule == rule {
			out = append(out, b)
		}
	}
	return out
}

// guestSink is a policy as a module in WebAssembly, in a registry of its own.
func guestSink(t *testing.T, policy string) contract.Sink {
	t.Helper()
	module := wasmtest.Go(t, filepath.Join("policies", policy, "wasm"))
	text, err := os.ReadFile(filepath.Join("policies", policy, plugins.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := plugins.ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(module)
	m.SHA256, m.Limits.Deadline = hex.EncodeToString(sum[:]), plugins.Duration(10*time.Second)
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": host}})
	t.Cleanup(r.Close)
	if _, err := r.Load(t.Context(), m, module); err != nil {
		t.Fatal(err)
	}
	return r.Sink(m.Name)
}

// withFailing sets the rule of these tests: its cause is a table that is not there.
func withFailing(c *engine.Config) {
	c.Alerts.Rules = []engine.AlertRule{{Name: "Failing", When: "increase(engine.errors[1m]) by (error.type) > 3 for 20s", Severity: engine.AlertCritical, Title: "{value} failed with {error.type}"}}
}

func failOften(t *testing.T, db *engine.DB) {
	t.Helper()
	for range 5 {
		if _, err := db.Exec(t.Context(), "INSERT INTO nothing VALUES (?)", "b0undvalue"); err == nil {
			t.Fatal("a table that is not there was written")
		}
	}
}

// advance lets intervals pass until done.
func advance(t *testing.T, db *engine.DB, clock *enginetest.Clock, what string, each func(), done func() bool) {
	t.Helper()
	for n := 0; !done(); n++ {
		if n > 300 {
			sinks, _ := db.Alerts().Sinks(t.Context())
			t.Fatalf("%s: not within 300 intervals; %+v", what, sinks)
		}
		each()
		pass(t, db, clock, 1)
		for deadline := time.Now().Add(20 * time.Millisecond); !done() && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // the courier's goroutine
		}
	}
}

// A cause is injected into a database; a sink in WebAssembly and the same policy as a Go value tell of it, with its labels and its diagnosis, once, though the
// network is down first and the engine restarts before anybody could be told; and they tell that it is over.
func TestAlertReachesSinks(t *testing.T) {
	t.Parallel()
	ops := openOpsRoom(t)
	guest := guestSink(t, "webhook")
	value, err := builtin.Sink(t.Context(), builtin.SinkSetup{Name: "webhook", Make: webhook.New, Config: map[string]any{"endpoint": "value"}, Endpoints: []string{"value"}})
	if err != nil {
		t.Fatal(err)
	}
	clock := enginetest.NewClock(monday())
	path := filepath.Join(t.TempDir(), "a.db")
	open := func() *engine.DB {
		return enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithConfig(withFailing), enginetest.WithConfig(func(c *engine.Config) {
			c.URL, c.Telemetry.Store = path, true
			c.Alerts.Deliver.Sinks = []engine.AlertSink{{Name: "guest", To: guest}, {Name: "value", To: value}}
			c.Alerts.Deliver.Endpoints = []engine.AlertEndpoint{{Name: "ops", URL: engine.Secret(ops.URL)}, {Name: "value", URL: engine.Secret(ops.URL)}}
		}))
	}
	db := open()
	ops.set(true)
	advance(t, db, clock, "it fires and is tried", func() { failOften(t, db) }, func() bool {
		sinks, err := db.Alerts().Sinks(t.Context())
		return err == nil && sinks[0].Counts["failed"] > 0 && sinks[1].Counts["failed"] > 0
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	ops.set(false)
	advance(t, db, clock, "both sinks tell", func() { failOften(t, db) }, func() bool { return len(ops.of("Failing")) >= 2 })
	advance(t, db, clock, "both sinks tell that it is over", func() {}, func() bool { return len(ops.of("Failing")) >= 4 })
	got := ops.of("Failing")
	for _, b := range got {
		if b.Data.Severity != "critical" || b.Data.Labels["error.type"] != "sql" || b.Data.Diagnosis == nil || b.Data.Diagnosis.Cause == "" || !strings.Contains(b.Data.Title, "failed with sql") {
			t.Errorf("%+v", b)
		}
		if text := fmt.Sprintf("%+v %+v", b, b.Data.Diagnosis); strings.Contains(text, "b0undvalue") {
			t.Errorf("a bound value is told: %s", text)
		}
	}
	for range 5 {
		pass(t, db, clock, 1)
	}
	count := map[string]int{}
	ops.mu.Lock()
	defer ops.mu.Unlock()
	keys := slices.Clone(ops.keys)
	for _, b := range ops.got {
		if b.Data.Rule == "Failing" {
			count[b.Type]++
		}
	}
	slices.Sort(keys)
	if count["alert.firing"] != 2 || count["alert.resolved"] != 2 || len(slices.Compact(keys)) != len(ops.keys) {
		t.Errorf("told %v with the keys %v", count, ops.keys)
	}
}

// The Alertmanager of Debian takes what the policy posts, keeps it while it goes on, and drops it when it is over.
func TestAlertmanagerOfDebian(t *testing.T) {
	program, err := osexec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Skip("skipped: prometheus-alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")
	}
	t.Parallel()
	base := "http://" + startAlertmanager(t, program)
	sink, err := builtin.Sink(t.Context(), builtin.SinkSetup{Name: "alertmanager", Make: alertmanager.New, Config: map[string]any{"endpoint": "am", "labels": map[string]any{"instance": "desk-1"}}, Endpoints: []string{"am"}})
	if err != nil {
		t.Fatal(err)
	}
	clock := enginetest.NewClock(time.Now()) // what has ended long ago, it does not take
	db := enginetest.Open(t, enginetest.WithFile(), enginetest.WithClock(clock), enginetest.WithConfig(withFailing), enginetest.WithConfig(func(c *engine.Config) {
		c.Alerts.Deliver.Sinks = []engine.AlertSink{{Name: "am", To: sink, Repeat: time.Minute}}
		c.Alerts.Deliver.Endpoints = []engine.AlertEndpoint{{Name: "am", URL: engine.Secret(base + "/api/v2/alerts")}}
	}))
	for deadline := time.Now().Add(30 * time.Second); ; { // it takes a moment to listen
		trials, err := db.Alerts().Test(t.Context(), "am")
		if err != nil {
			t.Fatal(err)
		}
		if trials[0].OK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the Alertmanager takes nothing: %+v", trials)
		}
		time.Sleep(50 * time.Millisecond)
	}
	known := func() []amAlert { return amAlerts(t, base, "Failing") }
	advance(t, db, clock, "the Alertmanager knows of it", func() { failOften(t, db) }, func() bool { return len(known()) == 1 })
	a := known()[0]
	if a.Labels["severity"] != "critical" || a.Labels["instance"] != "desk-1" || a.Labels["error_type"] != "sql" || a.Annotations["cause"] == "" || a.Status.State != "active" || !strings.Contains(a.Annotations["summary"], "failed with sql") {
		t.Errorf("%+v", a)
	}
	repeated := func() uint64 {
		sinks, err := db.Alerts().Sinks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sinks[0].Counts["repeated"]
	}
	advance(t, db, clock, "it is told again", func() { failOften(t, db) }, func() bool { return repeated() >= 2 })
	if again := known(); len(again) != 1 || !again[0].StartsAt.Equal(a.StartsAt) {
		t.Errorf("told again, it became another one: %+v, before %+v", again, a)
	}
	advance(t, db, clock, "the sink is told that it is over", func() {}, func() bool {
		sinks, err := db.Alerts().Sinks(t.Context())
		return err == nil && sinks[0].Counts["delivered"] >= 2
	})
	entries, err := db.Alerts().Latest(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e engine.AlertEntry) bool { return e.Rule == "Failing" })
	ended := known() // it still lists it: the clock of this test is ahead of its own
	if i < 0 {
		t.Fatalf("it is not kept: %+v", entries)
	}
	if len(ended) != 1 || entries[i].Ended == nil || !ended[0].EndsAt.Equal(entries[i].Ended.Truncate(time.Millisecond)) {
		t.Errorf("it ended at %v, and for the Alertmanager it is %+v", entries[i].Ended, ended)
	}
}

// startAlertmanager starts one that tells nobody, and returns where it listens.
func startAlertmanager(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	settings := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(settings, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := osexec.CommandContext(ctx, program, "--config.file="+settings, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = c.Wait() })
	return address
}

// amAlert is an alert as an Alertmanager lists it.
type amAlert struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	Status              struct{ State string }
}

func amAlerts(t *testing.T, base, rule string) (out []amAlert) {
	t.Helper()
	amGet(t, base+"/api/v2/alerts?filter="+url.QueryEscape("alertname=\""+rule+"\""), &out)
	return out
}

func amGet(t *testing.T, address string, to any) {
	t.Helper()
	r, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(to); err != nil {
		t.Fatal(err)
	}
}
