package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/plugins/plugintest"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
	"github.com/tidegate/engine/policies/dailylimits"
	"github.com/tidegate/engine/sdk/contract"
)

// limited is a registry whose one rule keeps values and counts, as a Go value or as a module.
func limited(t *testing.T, module []byte, change func(*plugins.Manifest)) *plugins.Registry {
	t.Helper()
	meters := &plugins.Meters{}
	services := plugins.Services{Metrics: meters}
	host, err := wasm.New(wasm.Options{Services: services})
	if err != nil {
		t.Fatal(err)
	}
	r := plugins.NewRegistry(plugins.Options{Meters: meters, Hosts: map[string]plugins.Host{"wasm": host,
		plugins.KindBuiltin: builtin.New(map[string]func() any{"daily-limits": dailylimits.New}, services)}})
	t.Cleanup(r.Close)
	m := plugintest.Manifest(t, filepath.Join("policies", "dailylimits"), "daily-limits", nil)
	if module != nil {
		sum := sha256.Sum256(module)
		m.Kind, m.Module, m.SHA256 = "", "daily-limits.wasm", hex.EncodeToString(sum[:])
	}
	m.Config = map[string]any{"max_rows": 3}
	m.Tests = nil // they are about other limits
	m.Hooks[0].Table = "orders"
	if change != nil {
		change(m)
	}
	if _, err := r.Load(t.Context(), m, module); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestServicesOfARule: what a rule keeps and counts, in a real engine, is the same for a Go value and for its module: values go with the transaction, outlive a restart
// and a reload, and stay within their quota; counts become metrics.
func TestServicesOfARule(t *testing.T) {
	t.Parallel()
	module := wasmtest.Go(t, filepath.Join("policies", "dailylimits", "wasm"))
	for name, code := range map[string][]byte{"built-in": nil, "wasm": module} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, path := t.Context(), filepath.Join(t.TempDir(), "desk.db")
			open := func(r *plugins.Registry) *engine.DB {
				return openAt(t, path, func(c *engine.Config) { c.Rules.Source = r })
			}
			r := limited(t, code, nil)
			db := open(r)
			const order = "INSERT INTO orders (account_id, qty) VALUES "
			try := func(what, sql string, rejected bool) {
				t.Helper()
				if _, err := db.Exec(ctx, sql); errors.Is(err, engine.ErrRejected) != rejected || !rejected && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			try("the table", "CREATE TABLE orders (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT", false)
			try("two", order+"(1, 5), (1, 5)", false)
			try("two more", order+"(1, 5), (1, 5)", true)
			undone := errors.New("no, thanks")
			err := db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
				if _, err := tx.Exec(ctx, order+"(1, 5)"); err != nil {
					return err
				}
				return undone
			})
			if !errors.Is(err, undone) {
				t.Error(err)
			}
			try("the third, which nobody has had", order+"(1, 5)", false)
			try("the fourth", order+"(1, 5)", true)
			try("of another account", order+"(2, 5)", false)
			if got := r.Metered(); len(got) != 1 || got[0].Plugin != "daily-limits" || got[0].Name != "rows" || got[0].Gauge || got[0].Value != 8 {
				t.Errorf("%+v", got) // 2 + 2 + 1 + 1 + 1 + 1: what was rejected was looked at, too
			}
			seen := ""
			for _, m := range db.Telemetry().Now() {
				if strings.HasPrefix(m.Name, "plugin.counter") {
					seen += m.Name
				}
			}
			if seen == "" {
				t.Error("no metric tells what the rule counts")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(limited(t, code, nil))
			try("the fourth after a restart", order+"(1, 5)", true)
			try("the second", order+"(2, 5)", false)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(limited(t, code, func(m *plugins.Manifest) { m.Capabilities.KV.MaxBytes = 150 }))
			if _, err := db.Exec(ctx, order+"(77, 5)"); !errors.Is(err, engine.ErrRuleFault) {
				t.Errorf("over the quota: %v", err)
			}
			try("within it", order+"(2, 5)", false)
		})
	}
}

// TestServicesInShadow: a version that is tried keeps its own values and changes nothing for the one in service.
func TestServicesInShadow(t *testing.T) {
	t.Parallel()
	r := limited(t, nil, nil)
	db := openAt(t, filepath.Join(t.TempDir(), "desk.db"), func(c *engine.Config) { c.Rules.Source = r })
	exec := func(sql string, want error) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", sql, err, want)
		}
	}
	exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT", nil)
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5), (1, 5)", nil)
	m := plugintest.Manifest(t, filepath.Join("policies", "dailylimits"), "daily-limits", nil)
	m.Version, m.Policy.Mode, m.Config, m.Tests = "2.0.0", "shadow", map[string]any{"max_qty": 5}, nil
	if _, err := r.Load(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5)", nil) // 5 for the shadow, the third row for the active one
	exec("INSERT INTO orders (account_id, qty) VALUES (2, 6)", nil)
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5)", engine.ErrRejected)
	if st := db.Rules().Stats(); st.Shadowed != 1 || st.Rejected != 1 {
		t.Errorf("%+v", st)
	}
}

// TestKeptValues: what a rule keeps can be seen, and removed unless somebody counts on it; a rule that was made to forget begins anew.
func TestKeptValues(t *testing.T) {
	t.Parallel()
	r := limited(t, nil, nil)
	db := openAt(t, filepath.Join(t.TempDir(), "desk.db"), func(c *engine.Config) { c.Rules.Source = r })
	ctx := t.Context()
	exec := func(sql string, want error) {
		t.Helper()
		if _, err := db.Exec(ctx, sql); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", sql, err, want)
		}
	}
	exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT", nil)
	if all, err := db.Rules().Kept(ctx); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5), (1, 5), (1, 5), (2, 5)", nil)
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5)", engine.ErrRejected)
	all, err := db.Rules().Kept(ctx)
	values, err2 := db.Rules().KeptValues(ctx, "daily-limits", 100)
	if err != nil || err2 != nil || len(all) != 1 || all[0].Plugin != "daily-limits" || all[0].Shadow || all[0].Values != 2 || len(values) != 2 {
		t.Fatalf("%+v, %+v, %v, %v", all, values, err, err2)
	}
	size := int64(0)
	for _, v := range values {
		size += int64(contract.KeptSize(v.Key, len(v.Value)))
	}
	if all[0].Bytes != size {
		t.Errorf("%d bytes, and the values are %d", all[0].Bytes, size)
	}
	if n, err := db.Rules().Forget(ctx, "daily-limits", false); n != 0 || !errors.Is(err, engine.ErrPluginInService) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := db.Rules().Forget(ctx, "daily", true); n != 0 || err != nil {
		t.Errorf("another plug-in: %d, %v", n, err)
	}
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5)", engine.ErrRejected)
	if n, err := db.Rules().Forget(ctx, "daily-limits", true); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	exec("INSERT INTO orders (account_id, qty) VALUES (1, 5)", nil)
	if err := r.Unload("daily-limits"); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Rules().Forget(ctx, "daily-limits", false); n != 1 || err != nil {
		t.Errorf("unloaded: %d, %v", n, err)
	}
}
