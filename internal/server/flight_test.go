package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// The flight recorder over HTTP: what was done, without values; wrong questions are refused; a copy can be kept.
func TestFlight(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.post(t, "/v1/query", `{"sql":"SELECT 'secret'"}`)
	var answer struct {
		Stats      engine.TraceStats       `json:"stats"`
		Reason     string                  `json:"reason"`
		Operations []engine.TraceOperation `json:"operations"`
	}
	ask := func(query string) response { return send(t, b.request(t, "GET", "/v1/trace"+query, "")) }
	got := ask("?last=60s&limit=5")
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != 200 || strings.Contains(got.body, "secret") {
		t.Fatalf("%d %v %s", got.status, err, got.body)
	}
	seen := false
	for _, o := range answer.Operations {
		seen = seen || o.Text == "SELECT ?" && o.Kind == "statement" && o.Returned == 1
	}
	if !seen || answer.Stats.Recorded == 0 {
		t.Errorf("%s", got.body)
	}
	for _, query := range []string{"?last=x", "?last=-1s", "?limit=0", "?limit=1000000", "?frozen=maybe", "?else=1"} {
		if got := ask(query); got.status != 400 || got.problem(t).Kind != "args" {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	if got := ask("?frozen=true"); got.status != 404 {
		t.Errorf("frozen: %d %s", got.status, got.body)
	}
	for i, want := range []string{`{"done":true}`, `{"done":false}`} {
		if got := b.post(t, "/v1/trace/freeze", `{"reason":"a test"}`); got.status != 200 || strings.TrimSpace(got.body) != want {
			t.Errorf("freeze %d: %d %s", i, got.status, got.body)
		}
	}
	if got := ask("?frozen=true"); got.status != 200 || !strings.Contains(got.body, `"reason":"a test"`) {
		t.Errorf("frozen: %d %s", got.status, got.body)
	}
	if got := b.post(t, "/v1/trace/freeze", `{"thaw":true}`); !strings.Contains(got.body, "true") {
		t.Errorf("thaw: %s", got.body)
	}
}
