package alertmanager_test

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/alertmanager"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

// posted is what the API v2 takes (postableAlerts).
type posted struct {
	Labels, Annotations            map[string]string
	StartsAt, EndsAt, GeneratorURL string
}

func read(t *testing.T, posts []sdktest.Posted) (all [][]posted) {
	t.Helper()
	for _, p := range posts {
		var list []posted
		dec := json.NewDecoder(strings.NewReader(string(p.Body)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&list); err != nil {
			t.Fatalf("%v: %s", err, p.Body)
		}
		all = append(all, list)
	}
	return all
}

func TestSink(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	busy := sdk.Alert{ID: 7, Rule: "WriterBusy", Title: "busy", Body: "a \"b\"\nc", Firing: true, Severity: sdk.Critical, Value: 0.97, Known: true, At: at.Add(time.Minute), Since: at,
		Labels:    sdk.MakeLabels([2]string{"engine.class", "signal"}, [2]string{"instance", "no"}, [2]string{"severity", "no"}, [2]string{"9", "nine"}, [2]string{"empty", ""}),
		Diagnosis: sdk.Diagnosis{Cause: "long_reader", Explanation: "a reader holds the log"}}
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: alertmanager.New, Cases: []plugintest.Case{
		{Name: "from firing to resolved", Config: `{"endpoint":"alertmanager","labels":{"instance":"desk-1"},"generator_url":"https://ops.example/"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			over := busy
			over.Firing, over.At, over.Value = false, at.Add(2*time.Minute), math.NaN()
			h.Alerts(busy, over).Accepts()
			all := read(t, h.Posts())
			if len(all) != 1 || len(all[0]) != 2 {
				t.Fatalf("%+v", all)
			}
			a, b := all[0][0], all[0][1]
			if a.Labels["alertname"] != "WriterBusy" || a.Labels["severity"] != "critical" || a.Labels["instance"] != "desk-1" || a.Labels["engine_class"] != "signal" || a.Labels["_9"] != "nine" || len(a.Labels) != 5 || !maps.Equal(a.Labels, b.Labels) {
				t.Errorf("labels %v, %v", a.Labels, b.Labels)
			}
			if a.StartsAt != "2026-01-02T15:04:05Z" || a.EndsAt != "" || b.EndsAt != "2026-01-02T15:06:05Z" || b.StartsAt != a.StartsAt || a.GeneratorURL != "https://ops.example/" {
				t.Errorf("%+v\n%+v", a, b)
			}
			if a.Annotations["summary"] != "busy" || a.Annotations["description"] != busy.Body || a.Annotations["cause"] != "long_reader" || a.Annotations["diagnosis"] != busy.Diagnosis.Explanation || a.Annotations["value"] != "0.97" || b.Annotations["value"] != "" {
				t.Errorf("annotations %v, %v", a.Annotations, b.Annotations)
			}
		}},
		{Name: "more than a message holds", Test: func(t *testing.T, h *sdktest.Harness) {
			long := busy
			long.Rule, long.Body, long.Title = "", strings.Repeat("\x01", 9_000), "x"
			h.Alerts(long, long, long, long, busy).Accepts()
			n, all := 0, read(t, h.Posts())
			for _, list := range all {
				n += len(list)
			}
			if n != 5 || len(all) < 2 || all[0][0].Labels["alertname"] != "unnamed" {
				t.Errorf("%d alerts in %d messages, the first is %v", n, len(all), all[0][0].Labels)
			}
		}},
		{Name: "an endpoint that is not granted", Config: `{"endpoint":"elsewhere"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Alerts(busy, busy).Only(0, 1).Says(1, abi.Retry, 0, "granted")
		}},
		{Name: "a label that is none", Config: `{"endpoint":"alertmanager","labels":{"a-b":"c"}}`, Refuses: "config.labels.a-b: is no name of a label"},
		{Name: "no endpoint", Config: `{"endpoint":""}`, Refuses: "name the endpoint"},
	}})
}
