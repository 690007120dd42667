package alert_test

import (
	"testing"

	"github.com/tidegate/engine/core/alert"
)

// Every default rule says what is wrong and what to do. That they can be read, against the metrics that there are, is tested where these are known.
func TestDefaults(t *testing.T) {
	t.Parallel()
	defaults := alert.Defaults(alert.Sizes{WALCap: 256 << 20, WALHard: 64 << 20})
	if len(defaults) < 10 {
		t.Errorf("%d rules", len(defaults))
	}
	for _, d := range defaults {
		if d.Title == "" || d.Body == "" || d.When == "" {
			t.Errorf("%s: %+v", d.Name, d)
		}
	}
}
