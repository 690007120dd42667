package plugins_test

import (
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

// TestSample: the rows of a test of the manifest over and over, or an error that says what is missing.
func TestSample(t *testing.T) {
	t.Parallel()
	hooks := []plugins.HookSpec{{On: "validate", Table: "orders", Columns: []string{"id"}}, {On: "retain", Table: "orders", Columns: []string{"id"}}}
	var b abi.Batch
	none := &plugins.Manifest{Name: "limits", Hooks: hooks}
	full := &plugins.Manifest{Name: "limits", Hooks: hooks, Tests: []plugins.TestCase{{Rows: [][]any{{1}, {2}, {3}}}, {Hook: 1, At: "2026-03-04T05:06:07Z", Rows: [][]any{{4}}}, {}}}
	for _, c := range []struct {
		m    *plugins.Manifest
		test int
		want string
	}{{none, 0, "plug-in limits has no rows to try: add tests with rows to plugin.yaml"}, {full, -1, "plug-in limits has no test -1: plugin.yaml has those from 0 to 2"},
		{full, 3, "plug-in limits has no test 3: plugin.yaml has those from 0 to 2"}, {full, 2, "test 2 of plug-in limits has no rows to try: take another one, or give it some"}} {
		if h, at, err := c.m.Sample(c.test, 5, &b); h != 0 || !at.IsZero() || err == nil || err.Error() != c.want {
			t.Errorf("test %d: %v, %v, %v; want %q", c.test, h, at, err, c.want)
		}
	}
	h, at, err := full.Sample(0, 5, &b)
	if err != nil || h != plugins.HookValidate || !at.Equal(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)) {
		t.Fatalf("%v, %v, %v", h, at, err)
	}
	rows := opened(t, &b)
	if rows.Op() != abi.OpInsert || rows.Len() != 5 || rows.Schema() != 0 {
		t.Fatalf("%v, %d rows, hook %d", rows.Op(), rows.Len(), rows.Schema())
	}
	for i, want := range []int64{1, 2, 3, 1, 2} {
		if got, ok := rows.Int(i, 0, 0); got != want || !ok {
			t.Errorf("row %d is %d, want %d", i, got, want)
		}
	}
	h, at, err = full.Sample(1, 1, &b)
	if rows := opened(t, &b); err != nil || h != plugins.HookRetain || rows.Op() != abi.OpScan || rows.Schema() != 1 || !at.Equal(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)) {
		t.Errorf("%v, %v, %v, %v of hook %d", h, at, err, rows.Op(), rows.Schema())
	}
	if len(full.Tests[0].Rows) != 3 {
		t.Errorf("the manifest has %d rows now", len(full.Tests[0].Rows))
	}
}
