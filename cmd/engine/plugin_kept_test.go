package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestPluginKept: what a rule keeps outlives its unloading, so an operator can see it and remove it; not by mistake while somebody counts on it.
func TestPluginKept(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := &shelf{dir: filepath.Join(root, "plugins"), db: filepath.Join(root, "desk.db"), config: filepath.Join(root, "engine.yaml")}
	bare := "url: " + s.db + "\n"
	rules := bare + "plugins:\n  builtin:\n    - {policy: dailylimits, name: quota, config: {max_rows: 2}, hooks: [{on: validate, table: trades, ops: [insert], columns: [account_id, qty]}]}\n"
	write(t, s.config, rules)
	must(t, "exec", "--create", "--db", s.db, "CREATE TABLE trades (id INTEGER PRIMARY KEY, account_id INTEGER, qty INTEGER) STRICT")
	kept := func() (out struct{ Kept []keptPlugin }) {
		t.Helper()
		if err := json.Unmarshal([]byte(must(t, "plugin", "kept", "--config", s.config, "--json").stdout), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	refused := func(what, says string, args ...string) {
		t.Helper()
		if o := program(t, append([]string{"plugin", "kept"}, args...)...); o.code == exitOK || !strings.Contains(o.stderr, says) {
			t.Errorf("%s: code %d, %s%s", what, o.code, o.stdout, o.stderr)
		}
	}
	if got := kept(); len(got.Kept) != 0 {
		t.Errorf("before anything was kept: %+v", got)
	}
	if o := must(t, "plugin", "kept", "--db", s.db, "--remove", "quota"); !strings.Contains(o.stdout, "quota keeps nothing") {
		t.Error(o)
	}
	const trade = "INSERT INTO trades (account_id, qty) VALUES (1, 5)"
	must(t, "exec", "--config", s.config, trade, trade, "INSERT INTO trades (account_id, qty) VALUES (7, 5)")
	if got := kept(); len(got.Kept) != 1 || got.Kept[0].Plugin != "quota" || got.Kept[0].Shadow || got.Kept[0].Values != 2 || got.Kept[0].Bytes < 64 {
		t.Errorf("%+v", got)
	}
	if o := must(t, "plugin", "kept", "--config", s.config); !strings.Contains(o.stdout, "quota") {
		t.Error(o)
	}
	var one struct {
		Plugin string
		Values []keptValue
	}
	if err := json.Unmarshal([]byte(must(t, "plugin", "kept", "--config", s.config, "--json", "quota").stdout), &one); err != nil || one.Plugin != "quota" || len(one.Values) != 2 || len(one.Values[0].Value) == 0 || one.Values[0].Bytes != len(one.Values[0].Value) {
		t.Errorf("%+v, %v", one, err)
	}
	refused("no server, and the settings name it", "at the next start", "--config", s.config, "--remove", "quota")
	find, _, _, stop := s.serve(t)
	refused("in a server", "engine plugin unload quota", append(find, "--remove", "quota")...)
	must(t, append([]string{"plugin", "unload"}, append(find, "quota")...)...)
	if o := must(t, append([]string{"plugin", "kept", "--json"}, append(find, "--remove", "quota")...)...); !strings.Contains(o.stdout, `"removed": 2`) {
		t.Error(o)
	}
	stop()
	if got := kept(); len(got.Kept) != 0 {
		t.Errorf("after it was removed: %+v", got)
	}
	must(t, "exec", "--config", s.config, trade, trade)
	if o := program(t, "exec", "--config", s.config, trade); o.code == exitOK {
		t.Error("the third was taken")
	}
	must(t, "plugin", "kept", "--config", s.config, "--remove", "--force", "quota")
	must(t, "exec", "--config", s.config, trade)
	write(t, s.config, bare)
	must(t, "plugin", "kept", "--config", s.config, "--remove", "quota")
	for says, args := range map[string][]string{
		"--remove wants the name": {"--db", s.db, "--remove"}, "--force belongs to --remove": {"--db", s.db, "--force", "quota"}, "at least 1": {"--db", s.db, "--limit", "0"},
		"got 2 arguments": {"--db", s.db, "a", "b"}, "does not exist": {"--db", filepath.Join(root, "none.db")},
	} {
		refused(says, says, args...)
	}
}
