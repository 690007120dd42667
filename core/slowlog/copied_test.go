package slowlog_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/slowlog"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// What stays in memory of a statement is bounded whatever its values are, and is nobody else's: a megabyte that is bound to each of five thousand fingerprints
// would be forty gigabytes.
func TestLargeBindings(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, slowlog.Shape)
	large, blob := strings.Repeat("x", 1<<20), []byte(strings.Repeat("y", 1<<20))
	for i, args := range [][]any{{large, int64(1)}, {blob}, {sql.Named("v", large)}, {sql.Named("v", blob)}} {
		o := seen(uint64(i+1), "normal", time.Second)
		o.Given.Args = args
		w.Observe(t.Context(), o)
		sets := w.Bindings(fmt.Sprint(i + 1))
		if len(sets) == 0 || len(sets[0].Args) != len(args) {
			t.Fatalf("%d: %d sets are kept", i, len(sets))
		}
		for _, g := range sets {
			v := g.Args[0]
			if n, ok := v.(sql.NamedArg); ok {
				v = n.Value
			}
			switch v := v.(type) {
			case string:
				if len(v) > 4096 || !strings.HasPrefix(large, v) || v == "" {
					t.Errorf("%d: a text of %d bytes is kept", i, len(v))
				}
			case []byte:
				if len(v) > 4096 || len(v) == 0 || &v[0] == &blob[0] {
					t.Errorf("%d: a blob of %d bytes is kept, or it is the caller's", i, len(v))
				}
			}
		}
		if _, same := args[0].(string); same && len(args[0].(string)) != 1<<20 {
			t.Error("the caller's arguments were changed")
		}
	}
	o := seen(9, "normal", time.Second)
	o.Given.SQL = "SELECT '" + large + "'"
	w.Observe(t.Context(), o)
	if sets := w.Bindings("9"); len(sets) != 0 {
		t.Errorf("%d sets of a statement of a megabyte are kept", len(sets))
	}
	if entries := w.entries(t, slowlog.Filter{}); len(entries) != 5 {
		t.Errorf("%d entries, want one of each", len(entries))
	}
}

// Processes that write a few entries each leave no more than one that writes many.
func TestShelfOverRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	file, err := sidecar.Open(t.Context(), path, 64<<20, slowlog.Schema()...)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = file.Write(t.Context(), func(c *sqlite.Conn) error {
		return sidecar.Run(c, `INSERT INTO slow (at_ms, fingerprint, reasons, class, summary, text, duration_us, entry)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) SELECT i, 'f', '[]', '', '', '', 1, '{}' FROM n`)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // processes
		if err := slowlog.NewShelf(file).Keep(t.Context(), slowlog.Entry{At: start(), Fingerprint: "f"}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := slowlog.NewShelf(file).List(t.Context(), slowlog.Filter{Limit: 10_000}); err != nil || len(all) < 5000 || len(all) > 5100 {
		t.Errorf("%d entries are kept, %v", len(all), err)
	}
}
