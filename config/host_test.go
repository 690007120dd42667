package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/plugins"
)

// quota is the manifest of a plug-in in a folder whose code is one of the program's.
const quota = `name: quota
version: 1.0.0
abi: 1
kind: builtin
module: dailylimits
hooks: [{on: validate, table: trades, ops: [insert], columns: [account_id, qty]}]
capabilities: {now: true, kv: {}, metric_add: [{name: rows}]}
config: {max_rows: 2}
`

// desk is a database under a directory of plug-ins.
type desk struct {
	*config.Opened
	dir string
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{dir: filepath.Join(t.TempDir(), "plugins")}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d.put(t, quota)
	d.Opened = opened(t, "plugins: {dir: "+d.dir+"}\n", filepath.Join(t.TempDir(), "desk.db"))
	if err := exec(t, d.Opened, "CREATE TABLE trades (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT"); err != nil {
		t.Fatal(err)
	}
	return d
}

// put writes the manifest; "" takes it away.
func (d *desk) put(t *testing.T, text string) {
	t.Helper()
	dir := filepath.Join(d.dir, "quota")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, plugins.ManifestFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) act(t *testing.T, action string) {
	t.Helper()
	if err := d.Plugins.Act(t.Context(), action, "quota", ""); err != nil {
		t.Fatalf("%s: %v", action, err)
	}
}

func (d *desk) stored(t *testing.T) int {
	t.Helper()
	list, err := d.Rules().Quarantines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

const trade = "INSERT INTO trades (account_id, qty) VALUES (1, 1)"

// TestQuarantineIsStoredAtOnce: an operator who has been told that a plug-in is in quarantine may kill the process right then.
func TestQuarantineIsStoredAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		d := openDesk(t)
		d.act(t, "quarantine")
		if d.stored(t) != 1 {
			t.Fatal("it is not stored when the operator is told so")
		}
	}
}

// TestQuarantineOfAnUnloadedPlugin: readiness is red for it, so there has to be a way to end it, and to bring the plug-in back.
func TestQuarantineOfAnUnloadedPlugin(t *testing.T) {
	t.Parallel()
	t.Run("lift", func(t *testing.T) {
		d := openDesk(t)
		d.act(t, "quarantine")
		d.act(t, "unload")
		if h := d.Health(t.Context()); h.Ready {
			t.Fatal("a stored quarantine does not show")
		}
		d.act(t, "lift")
		if h := d.Health(t.Context()); !h.Ready || d.stored(t) != 0 {
			t.Errorf("%+v", h)
		}
		if err := d.Plugins.Act(t.Context(), "lift", "quota", ""); !errors.Is(err, plugins.ErrState) {
			t.Errorf("twice: %v", err)
		}
	})
	t.Run("load of the same build", func(t *testing.T) {
		d := openDesk(t)
		d.act(t, "quarantine")
		d.act(t, "unload")
		if err := d.Plugins.Act(t.Context(), "load", "quota", ""); !errors.Is(err, plugins.ErrState) || !strings.Contains(err.Error(), "in quarantine as before") {
			t.Errorf("%v", err)
		}
		if err := exec(t, d.Opened, trade); !errors.Is(err, engine.ErrPluginQuarantined) {
			t.Errorf("%v: a load is no way out of a quarantine", err)
		}
		d.act(t, "lift")
		if err := exec(t, d.Opened, trade); err != nil {
			t.Error(err)
		}
	})
	t.Run("load of another build", func(t *testing.T) {
		d := openDesk(t)
		d.act(t, "quarantine")
		d.act(t, "unload")
		d.put(t, strings.Replace(quota, "max_rows: 2", "max_rows: 3", 1))
		d.act(t, "load")
		if err := exec(t, d.Opened, trade); err != nil || d.stored(t) != 0 {
			t.Errorf("%v, %d stored", err, d.stored(t))
		}
	})
}

// TestKeptValuesOfAShadowEndWithIt: they would be what the next version in shadow mode begins with.
func TestKeptValuesOfAShadowEndWithIt(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	shadow := strings.Replace(quota, "version: 1.0.0", "version: 2.0.0\nmode: shadow", 1)
	kept := func() (active, shadow int64) {
		t.Helper()
		all, err := d.Rules().Kept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if k.Shadow {
				shadow += k.Values
			} else {
				active += k.Values
			}
		}
		return active, shadow
	}
	for account, end := range []string{"reload", "promote", "unload"} {
		d.put(t, shadow)
		d.act(t, "reload")
		if _, err := d.Exec(t.Context(), "INSERT INTO trades (account_id, qty) VALUES (?, 1)", account); err != nil {
			t.Fatal(err)
		}
		if a, s := kept(); a != int64(account+1) || s != 1 {
			t.Fatalf("before %s: %d values, %d of the shadow", end, a, s)
		}
		d.act(t, end)
		if a, s := kept(); a != int64(account+1) || s != 0 {
			t.Errorf("after %s: %d values, %d of the shadow", end, a, s)
		}
	}
}
