package config_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/engine/config"
)

// Sinks and endpoints are lists of mappings in the file, and all that is wrong with them is said at once.
func TestAlertSinks(t *testing.T) {
	t.Parallel()
	s := load(t, config.Sources{File: file(t, `alerts:
  sinks:
    - {name: ops, kind: webhook, endpoint: ops, least: warning, heartbeat: 1h, settings: {fields: {desk: fx}}}
    - name: am
      kind: alertmanager
      endpoint: am
      settings: {labels: {instance: desk-1}}
  endpoints:
    - {name: ops, url_from: OPS_URL, headers_from: {authorization: OPS_TOKEN}, key_from: OPS_KEY, timeout: 3s}
    - {name: am, url: "http://127.0.0.1:9093/api/v2/alerts"}
`)})
	if len(s.Alerts.Sinks) != 2 || s.Alerts.Sinks[0].Heartbeat != config.Period(time.Hour) || s.Alerts.Sinks[1].Settings["labels"].(map[string]any)["instance"] != "desk-1" ||
		len(s.Alerts.Endpoints) != 2 || s.Alerts.Endpoints[0].HeadersFrom["authorization"] != "OPS_TOKEN" || s.Alerts.Endpoints[0].Timeout != config.Period(3*time.Second) {
		t.Errorf("%+v", s.Alerts)
	}
	got := strings.Join(mistakes(t, config.Sources{File: file(t, `telemetry: {measure: false}
alerts:
  sinks:
    - {name: a, kind: mail}
    - {name: a, kind: webhook, endpoint: nowhere}
    - {name: b, kind: log, endpoint: ops, least: loud}
    - {name: c, kind: plugin, settings: {x: 1}, repeat: 10ms}
  endpoints:
    - {name: ops, url: "http://ops.example/T0PSECRET"}
    - {name: ops, url: "https://user:p4ss@ops.example"}
    - {name: two, url: "https://a.example", url_from: A}
    - {name: bad, url: "https://a.example", headers_from: {host: A}}
  deliver: {timeout: 0s, queue: 0, longest_delay: 1ms}
`)}), "\n")
	for _, want := range []string{"alerts.sinks: there are no alerts where nothing is measured", `alerts.sinks: "a": its kind must be`, `"a": needs a name of its own`, `alerts.endpoints has no endpoint "nowhere"`, `"b": a log has no endpoint`,
		`"b": least must be`, `"c": the settings of a plug-in`, `"c": repeat and heartbeat`, `alerts.endpoints: "ops": http to ops.example`, `"ops": there is another one`, "password", `"two": needs either`, `"bad": "host" is no header`,
		"alerts.deliver.timeout: must be positive", "alerts.deliver.queue: must be positive", "alerts.deliver.longest_delay: must be positive, and at least"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said in\n%s", want, got)
		}
	}
	if strings.Contains(got, "T0PSECRET") || strings.Contains(got, "p4ss") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	for text, want := range map[string]string{"x": "must be a list", `[{"nmae":"t"}]`: "unknown field", `[] []`: "more than one", `[{"name":"a","kind":"log","repeat":"1"}]`: "needs a unit"} {
		if got := mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: "alerts.sinks", Value: text}}}); !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	for text, want := range map[string]string{"alerts:\n  sinks: a\n": "must be a list", "alerts:\n  sinks: [a]\n": "must be a list", "alerts:\n  sinks: [{name: a, name: b}]\n": "cannot be read"} {
		if got := mistakes(t, config.Sources{File: file(t, text)}); !strings.Contains(strings.Join(got, "; "), want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// A database that is opened by its configuration tells a webhook with the secrets of the environment, and does not start without them.
func TestAlertSinksInService(t *testing.T) {
	var mu sync.Mutex
	var heads []http.Header
	var bodies []string
	ops := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		heads, bodies = append(heads, r.Header), append(bodies, string(b))
	}))
	defer ops.Close()
	t.Setenv("TEST_OPS_URL", "")
	path := t.TempDir() + "/a.db"
	s := load(t, config.Sources{File: file(t, `url: `+path+`
alerts:
  sinks:
    - {name: ops, kind: webhook, endpoint: ops, settings: {fields: {desk: fx}}}
    - {name: all, kind: log}
  endpoints:
    - {name: ops, url_from: TEST_OPS_URL, headers_from: {authorization: TEST_OPS_TOKEN}, key_from: TEST_OPS_KEY}
`)})
	var log strings.Builder
	s.Engine.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "TEST_OPS_URL") || !strings.Contains(err.Error(), "TEST_OPS_TOKEN") || !strings.Contains(err.Error(), "TEST_OPS_KEY") {
		t.Fatalf("opened without its secrets: %v", err)
	}
	t.Setenv("TEST_OPS_URL", ops.URL+"/T0PSECRET")
	t.Setenv("TEST_OPS_TOKEN", "Bearer t0ken")
	t.Setenv("TEST_OPS_KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	db, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trials, err := db.Alerts().Test(t.Context(), "")
	if err != nil || len(trials) != 2 || !trials[0].OK || !trials[1].OK || !strings.Contains(trials[0].Answer, "answered 200") {
		t.Errorf("%+v, %v", trials, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if len(heads) != 2 || heads[0].Get("Authorization") != "Bearer t0ken" || heads[0].Get("Webhook-Signature") == "" || heads[0].Get("Idempotency-Key") == heads[1].Get("Idempotency-Key") ||
		!strings.Contains(bodies[0], `"desk":"fx"`) || !strings.Contains(bodies[0], `"rule":"TestAlert"`) || !strings.Contains(bodies[1], "alert.resolved") {
		t.Errorf("%v %q", heads, bodies)
	}
	text := log.String()
	if !strings.Contains(text, "alert firing warning TestAlert") || strings.Contains(text, "T0PSECRET") || strings.Contains(text, "t0ken") || strings.Contains(text, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") {
		t.Errorf("the log says %s", text)
	}
	s = load(t, config.Sources{File: file(t, "url: "+path+"\nalerts: {sinks: [{name: pager, kind: plugin}]}\n")})
	if _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "plugins.dir has no plug-in pager") {
		t.Errorf("a plug-in that is not there: %v", err)
	}
}
