package slowlog_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/slowlog"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	args := []any{int64(4711), "a secret", []byte("bytes"), nil, 2.5, true, start(), sql.Named("who", "a secret")}
	for policy, want := range map[slowlog.Policy]string{
		slowlog.None:  "",
		slowlog.Shape: "INTEGER TEXT(8) BLOB(5) NULL REAL INTEGER TIME who=TEXT(8)",
		slowlog.Full:  `4711 "a secret" BLOB(5) NULL 2.5 true 2026-03-02T09:00:00Z who="a secret"`,
	} {
		w := newWatch(t, nil, policy)
		o := seen(1, "normal", time.Second)
		o.Given.Args = args
		w.Observe(t.Context(), o)
		if got := strings.Join(w.entries(t, slowlog.Filter{})[0].Bindings, " "); got != want {
			t.Errorf("%s: %q, want %q", policy, got, want)
		}
	}
}

// Hashes tell equal values from others within a process, and are no others' in the next one.
func TestPolicyHash(t *testing.T) {
	t.Parallel()
	hashes := func() []string {
		w := newWatch(t, nil, slowlog.Hash)
		o := seen(1, "normal", time.Second)
		o.Given.Args = []any{"a secret", "a secret", "another", int64(1), "1"}
		w.Observe(t.Context(), o)
		return w.entries(t, slowlog.Filter{})[0].Bindings
	}
	a, b := hashes(), hashes()
	if a[0] != a[1] || a[0] == a[2] || a[3] == a[4] || a[0] == b[0] || strings.Contains(strings.Join(a, " "), "secret") {
		t.Errorf("%v\n%v", a, b)
	}
}
