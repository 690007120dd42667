package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

// TestPluginReplayNeedsATransaction: a rule that keeps values cannot be shown rows outside of a transaction, and that is said, with what to do instead.
func TestPluginReplayNeedsATransaction(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	dir := filepath.Join(s.dir, "desk")
	must(t, "plugin", "replay", "--config", s.config, dir)
	s.edit(t, "limits: {", "capabilities: {kv: {}}\nlimits: {")
	if o := program(t, "plugin", "replay", "--config", s.config, dir); o.code != exitError || !strings.Contains(o.stderr, "shadow mode instead") {
		t.Errorf("code %d, %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestPluginReplayMistakes: what cannot be shown any rows is told, instead of a table of none.
func TestPluginReplayMistakes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	desk, policy := filepath.Join(s.dir, "desk"), filepath.Join(t.TempDir(), "retain-by-age")
	refuses := func(says string, args ...string) {
		t.Helper()
		if o := program(t, append([]string{"plugin", "replay", "--db", s.db}, args...)...); o.code == exitOK || !strings.Contains(o.stderr, says) {
			t.Errorf("%v: code %d, %s%s; want %q", args, o.code, o.stdout, o.stderr, says)
		}
	}
	refuses("--limit must not be negative", "--limit", "-1", desk)
	s.edit(t, "table: trades", "table: trade")
	refuses("hooks[0] of plugin.yaml, table trade:", desk)
	if err := os.Mkdir(policy, 0o755); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join("..", "..", "policies", "retainbyage")
	manifest, err := os.ReadFile(filepath.Join(folder, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(t.TempDir(), "policy.wasm")
	write(t, module, string(wasmtest.Go(t, filepath.Join(folder, "wasm"))))
	write(t, filepath.Join(policy, "plugin.yaml"), string(manifest))
	must(t, "plugin", "build", "--module", module, policy)
	refuses("retain-by-age is no rule", policy)
}
