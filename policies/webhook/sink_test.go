package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/webhook"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

func alert() sdk.Alert {
	return sdk.Alert{ID: 1 << 60, Rule: "WriterBusy", Title: "the \"writer\"\nis busy", Firing: true, Severity: sdk.Critical, Value: 0.97, Known: true, At: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		Since: time.Date(2026, 1, 2, 15, 3, 5, 0, time.UTC), Limit: 0.9, Unit: "1", Labels: sdk.MakeLabels([2]string{"lane", "writer"}), Diagnosis: sdk.Diagnosis{JSON: `{"cause":"long_writer"}`}}
}

// header is a header of a message; "" where it is not there.
func header(p sdktest.Posted, name string) string {
	for _, h := range p.Headers {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

func TestSink(t *testing.T) {
	t.Parallel()
	type body struct {
		Type, ID, Timestamp string
		Data                map[string]any
	}
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: webhook.New, Cases: []plugintest.Case{
		{Name: "signed", Config: `{"endpoint":"ops","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","fields":{"desk":"fx \"london\""}}`, Test: func(t *testing.T, h *sdktest.Harness) {
			over := alert()
			over.Firing, over.Value = false, math.Inf(1)
			h.Alerts(alert(), over).Accepts()
			posts := h.Posts()
			if len(posts) != 2 || posts[0].Endpoint != "ops" {
				t.Fatalf("%q", posts)
			}
			var b [2]body
			for i, p := range posts {
				if err := json.Unmarshal(p.Body, &b[i]); err != nil {
					t.Fatalf("%v: %s", err, p.Body)
				}
				key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
				if err != nil {
					t.Fatal(err)
				}
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(header(p, "webhook-id") + "." + header(p, "webhook-timestamp") + "." + string(p.Body)))
				if got, want := header(p, "webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
					t.Errorf("signature %q, want %q", got, want)
				}
			}
			d := b[0].Data
			if b[0].Type != "alert.firing" || b[1].Type != "alert.resolved" || b[0].ID == b[1].ID || b[0].ID != header(posts[0], "webhook-id") || header(posts[0], "webhook-timestamp") != "1767366245" {
				t.Errorf("%+v %+v", b, posts[0].Headers)
			}
			if d["alert_id"] != "1152921504606846976" || d["title"] != alert().Title || d["value"] != 0.97 || d["desk"] != `fx "london"` || b[1].Data["value"] != nil || d["severity"] != "critical" ||
				d["limit"] != 0.9 || d["unit"] != "1" || d["since"] != "2026-01-02T15:03:05Z" || d["labels"].(map[string]any)["lane"] != "writer" || d["diagnosis"].(map[string]any)["cause"] != "long_writer" {
				t.Errorf("%+v", d)
			}
		}},
		{Name: "unsigned", Config: `{"endpoint":"ops"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			long := alert()
			long.Labels, long.Diagnosis.JSON = "", ""
			long.Title, long.Body = strings.Repeat("\x01", 50_000), strings.Repeat("é", 50_000)
			h.Alerts(long).Accepts()
			if p := h.Posts(); len(p) != 1 || header(p[0], "webhook-signature") != "" || !json.Valid(p[0].Body) {
				t.Errorf("%d posts", len(p))
			}
		}},
		{Name: "an endpoint that is not granted", Config: `{"endpoint":"elsewhere"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			if r := h.Alerts(alert()).Says(0, abi.Retry, 0, "granted"); len(h.Posts()) > 0 || r.Records[0].Aux != 60 {
				t.Errorf("%v, %v", h.Posts(), r.Records)
			}
		}},
		{Name: "a field that the sink sets", Config: `{"endpoint":"ops","fields":{"desk":"fx","severity":"none"}}`, Refuses: "config.fields.severity: is one that the sink sets"},
		{Name: "short secret", Config: `{"endpoint":"ops","secret":"hunter2"}`, Refuses: "shorter than 24 bytes"},
		{Name: "secret that is no base64", Config: `{"endpoint":"ops","secret":"whsec_???"}`, Refuses: "not base64"},
		{Name: "no endpoint", Config: `{"endpoint":""}`, Refuses: "name the endpoint"},
	}})
}
