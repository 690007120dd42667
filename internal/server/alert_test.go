package server_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// Alerts are listed with where each rule stands, silences begin and end, and what makes no sense is refused with a reason.
func TestAlertRoutes(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	var list struct {
		Alerts   []engine.AlertEntry
		Silences []engine.AlertSilence
	}
	read := func() {
		t.Helper()
		r := send(t, b.request(t, "GET", "/v1/alerts?all=1&history=5", ""))
		if err := json.Unmarshal([]byte(r.body), &list); r.status != http.StatusOK || err != nil {
			t.Fatalf("%d %s %v", r.status, r.body, err)
		}
	}
	read()
	r := b.post(t, "/v1/alerts/silence", `{"rule":"WriterBusy","for":"2h","why":"bulk load","by":"ops"}`)
	var made engine.AlertSilence
	if err := json.Unmarshal([]byte(r.body), &made); r.status != http.StatusOK || err != nil || made.ID == 0 {
		t.Fatalf("%d %s %v", r.status, r.body, err)
	}
	if read(); len(list.Silences) != 1 || list.Silences[0].Why != "bulk load" {
		t.Errorf("%+v", list)
	}
	end := `{"id":` + strconv.FormatInt(made.ID, 10) + `}`
	if r := b.post(t, "/v1/alerts/silence/end", end); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	if read(); len(list.Silences) != 0 {
		t.Errorf("%+v", list)
	}
	for body, want := range map[string]string{`{"rule":"None","for":"2h","why":"x"}`: "there is no rule None", `{"rule":"WriterBusy","for":"2h"}`: "does not say why", `{"for":"soon","why":"x"}`: "a duration"} {
		if r := b.post(t, "/v1/alerts/silence", body); r.status != http.StatusBadRequest || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := b.post(t, "/v1/alerts/silence/end", end); r.status != http.StatusBadRequest {
		t.Errorf("ended twice: %d %s", r.status, r.body)
	}
	for path, body := range map[string]string{"/v1/alerts/test": `{}`, "/v1/alerts/resend": `{"id":1}`} { // nobody is told here
		if r := b.post(t, path, body); r.status != http.StatusNotFound || !strings.Contains(r.body, "no_sinks") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := send(t, b.request(t, "GET", "/v1/alerts/sinks", "")); r.status != http.StatusNotFound {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := send(t, b.request(t, "GET", "/v1/alerts?limit=x", "")); r.status != http.StatusBadRequest {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := send(t, b.request(t, "GET", "/v1/alerts", "", "Authorization", "Bearer wrong")); r.status != http.StatusUnauthorized {
		t.Errorf("without the token: %d", r.status)
	}
}
