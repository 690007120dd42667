package logsink_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/policies/logsink"
	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

func TestSink(t *testing.T) {
	t.Parallel()
	busy := sdk.Alert{ID: 7, Rule: "WriterBusy", Title: "the writer is busy", Body: "since noon", Firing: true, Severity: sdk.Critical, Value: 0.97, Known: true, Labels: sdk.MakeLabels([2]string{"lane", "writer"}), Diagnosis: sdk.Diagnosis{Cause: "long_writer"}}
	over, low := busy, busy
	over.Firing, over.Known, over.Body = false, false, ""
	low.Severity, low.Title = sdk.Info, "nothing\nmuch"
	plugintest.Run(t, plugintest.Policy{Dir: ".", New: logsink.New, Cases: []plugintest.Case{
		{Name: "lines", Config: `{"least":"info"}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Alerts(busy, over, low).Accepts().Within(30_000)
			want := []string{"error alert firing critical WriterBusy: the writer is busy value=0.97 id=7 lane=writer cause=long_writer | since noon", "info alert resolved critical WriterBusy: the writer is busy id=7 lane=writer cause=long_writer",
				"info alert firing info WriterBusy: nothing much value=0.97 id=7 lane=writer cause=long_writer | since noon"}
			if got := h.Log(); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		}},
		{Name: "only what matters", Config: `{"least":"error","resolved":false}`, Test: func(t *testing.T, h *sdktest.Harness) {
			h.Alerts(low, over, busy).Accepts()
			if got := h.Log(); len(got) != 1 || !strings.Contains(got[0], "firing critical") {
				t.Errorf("%q", got)
			}
		}},
		{Name: "no such severity", Config: `{"least":"loud"}`, Refuses: "none of"},
	}})
}
