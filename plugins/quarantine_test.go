package plugins_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
)

// TestQuarantineByAnOperator: whoever takes a version out of service by hand gets what the breaker would have given: its calls are refused with his reason, once, and a lift puts
// it back.
func TestQuarantineByAnOperator(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if err := b.r.Quarantine("limits", "nobody"); !errors.Is(err, plugins.ErrState) {
		t.Errorf("of what is not in service: %v", err)
	}
	if err := b.load(t, "1.0.0", "good", nil); err != nil {
		t.Fatal(err)
	}
	b.diary.take()
	v := b.pin(t)
	defer v.Unpin()
	for range 2 {
		if err := b.r.Quarantine("limits", "it rejects too much"); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(v, 1); !errors.Is(err, plugins.ErrQuarantined) || !strings.Contains(err.Error(), "it rejects too much") {
			t.Errorf("it answers: %v", err)
		}
		if err := b.r.Quarantine("limits", "once more"); !errors.Is(err, plugins.ErrState) {
			t.Errorf("of what is in quarantine: %v", err)
		}
		if err := b.r.Unquarantine("limits"); err != nil {
			t.Fatal(err)
		}
		if got, err := ask(v, 1); got != "1.0.0" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, want := b.diary.take(), strings.Repeat("1.0.0 active>quarantined, 1.0.0 quarantined>active, ", 2); got+", " != want {
		t.Errorf("%s, want %s", got, want)
	}
}
