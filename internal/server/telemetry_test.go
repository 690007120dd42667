package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// slowQuery is logged, because it steps over many rows for one.
const slowQuery = `{"sql":"SELECT count(*) FROM t WHERE v = ?","args":["a secret"]}`

func (b *bench) fill(t testing.TB) {
	t.Helper()
	if _, err := b.db.Exec(t.Context(), "INSERT INTO t (v) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 15000) SELECT i FROM c", engine.WithClass(engine.ClassMaintenance)); err != nil {
		t.Fatal(err)
	}
	if r := send(t, b.request(t, "POST", "/v1/query", slowQuery, "Engine-Class", "signal")); r.status != http.StatusOK {
		t.Fatalf("%+v", r)
	}
}

// The metrics, the slow log and the statistics answer to those who have the token, and say no value.
func TestTelemetryRoutes(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.fill(t)
	open := send(t, b.request(t, "GET", "/metrics", "", "Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"))
	if open.status != 200 || open.header.Get("Content-Type") != engine.OpenMetricsType || !strings.HasSuffix(open.body, "# EOF\n") {
		t.Errorf("%d %s", open.status, open.header)
	}
	plain := send(t, b.request(t, "GET", "/metrics", ""))
	if plain.status != 200 || plain.header.Get("Content-Type") != engine.PrometheusType || strings.Contains(plain.body, "# EOF") ||
		!strings.Contains(plain.body, `db_client_operation_duration_seconds_count{db_operation_name="SELECT",db_system_name="sqlite",engine_class="signal"} 1`) {
		t.Errorf("%d %s\n%s", plain.status, plain.header, plain.body)
	}
	var log struct{ Slow []engine.SlowEntry }
	r := send(t, b.request(t, "GET", "/v1/slow?since=1h&limit=10", ""))
	if err := json.Unmarshal([]byte(r.body), &log); err != nil || strings.Contains(r.body, "secret") {
		t.Fatalf("%v: %s", err, r.body)
	}
	var found *engine.SlowEntry
	for i := range log.Slow {
		if log.Slow[i].Class == "signal" {
			found = &log.Slow[i]
		}
	}
	if found == nil || found.Caller != "POST /v1/query" || len(found.Plan) == 0 {
		t.Fatalf("%s", r.body)
	}
	r = send(t, b.request(t, "POST", "/v1/slow/replay", `{"fingerprint":"`+found.Fingerprint+`"}`))
	if r.status != 200 || !strings.Contains(r.body, `"vm_steps":`) || strings.Contains(r.body, "secret") {
		t.Errorf("%+v", r)
	}
	if r := send(t, b.request(t, "GET", "/v1/stats", "")); r.status != 200 || !strings.Contains(r.body, `"db.client.operation.duration"`) || !strings.Contains(r.body, `"statements":[{`) {
		t.Errorf("%+v", r)
	}
	for path, want := range map[string]int{"/v1/slow?limit=x": 400, "/v1/slow?id=x": 400, "/v1/slow?since=x": 400, "/v1/metrics/query?name=a&from=x": 400, "/v1/metrics/query?label=x": 400,
		"/v1/metrics/query?name=engine.errors": 404} { // nothing is stored
		if r := send(t, b.request(t, "GET", path, "")); r.status != want {
			t.Errorf("%s: %d %s, want %d", path, r.status, r.body, want)
		}
	}
	for _, path := range []string{"/metrics", "/v1/slow", "/v1/stats", "/v1/metrics/query"} {
		if r := send(t, b.request(t, "GET", path, "", "Authorization", "Bearer wrong")); r.status != http.StatusUnauthorized {
			t.Errorf("%s without the token: %d", path, r.status)
		}
	}
}

// Prometheus itself scrapes the server, with the token from its file, and answers from what it has read. The rules that are shipped load.
func TestPrometheusScrapes(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed: apt-get install prometheus runs this test")
	}
	b := start(t, func(c *config.Server) {})
	b.fill(t)
	dir := t.TempDir()
	token, rules := filepath.Join(dir, "token"), filepath.Join(dir, "rules.yml")
	shipped, err := os.ReadFile(filepath.Join("..", "..", "docs", "prometheus-rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	conf := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs:\n- job_name: tidegate\n  authorization: {credentials_file: token}\n  static_configs: [{targets: ['" +
		strings.TrimPrefix(b.url, "http://") + "']}]\n"
	for path, text := range map[string][]byte{token: []byte(b.token), rules: shipped, filepath.Join(dir, "prometheus.yml"): []byte(conf)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := freePort(t)
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--enable-feature=exemplar-storage")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	deadline := time.Now().Add(60 * time.Second)
	for ; ; time.Sleep(100 * time.Millisecond) {
		up, got := promQuery(t, address, "up"), promQuery(t, address, "sum(db_client_operation_duration_seconds_count{engine_class=\"signal\"})")
		if strings.Contains(up, `"1"]`) && strings.Contains(got, `"1"]`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("up: %s\nstatements: %s", up, got)
		}
	}
	if got := promGet(t, address, "/api/v1/rules"); strings.Count(got, `"type":"alerting"`) < 8 || strings.Contains(got, `"health":"err"`) {
		t.Errorf("rules: %s", got)
	}
}
