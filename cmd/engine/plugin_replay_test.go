package main

import (
	"path/filepath"
	"strings"
	"testing"
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
