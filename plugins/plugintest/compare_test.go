package plugintest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/sdktest"
)

// witness hears what a comparison complains of.
type witness struct {
	testing.TB
	heard []string
}

func (w *witness) Helper() {}

func (w *witness) Errorf(format string, a ...any) {
	w.heard = append(w.heard, fmt.Sprintf(format, a...))
}

// The suite is worth what compare sees: of two forms that differ in anything it must complain, and of two that do not it must not.
func TestCompareSeesEveryDifference(t *testing.T) {
	t.Parallel()
	setup := &sdktest.Setup{Endpoints: []string{"ops"}, Lookups: []sdktest.Lookup{{Name: "q", Answer: func([]any) ([]sdktest.Row, error) { return nil, nil }}}}
	rejection := func(message string) []abi.Record {
		return []abi.Record{{Row: 1, Code: 2, Action: abi.Reject, Message: message}}
	}
	make := func(change func(*form)) *form {
		f := &form{name: "x", m: &plugins.Manifest{Capabilities: plugins.Capabilities{MetricAdd: []plugins.MetricSpec{{Name: "seen"}}}}, w: sdktest.NewWorld(setup), log: []said{{Hook: "validate", Batch: "b", Records: rejection("m")}, {Hook: "validate", Batch: "c", Err: "fuel"}}}
		f.w.Log(1, "line")
		if _, err := f.w.Post("ops", []byte("\nbody")); err != nil {
			t.Fatal(err)
		}
		change(f)
		return f
	}
	ask := func(f *form) {
		if _, err := f.w.Lookup(0, mustBatch(t)); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*form){
		"":              func(*form) {},
		"question 0":    func(f *form) { f.log[0].Records = rejection("other") },
		"question 1":    func(f *form) { f.log[1].Err = "trap" },
		"was asked":     func(f *form) { f.log = f.log[:1] },
		"lines of log":  func(f *form) { f.w.Log(1, "another") },
		"outbox differ": func(f *form) { _, _ = f.w.Post("ops", []byte("\nmore")) },
		"of seen":       func(f *form) { f.w.Count("seen", 1) },
		"queries":       ask,
	} {
		w := &witness{}
		compare(w, make(func(*form) {}), make(change))
		if heard := strings.Join(w.heard, "; "); (name == "") != (heard == "") || !strings.Contains(heard, name) {
			t.Errorf("%q: heard %q", name, heard)
		}
	}
}

func mustBatch(t *testing.T) []byte {
	t.Helper()
	var b abi.Batch
	b.Reset(abi.OpScan, 0, 1)
	b.Null()
	raw, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
