package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/sdk/contract"
)

// TestRulesUnread: what the rules could not read or write down is an error, never nothing and never done.
func TestRulesUnread(t *testing.T) {
	t.Parallel()
	db, _ := ruled(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := db.Rules()
	for name, ask := range map[string]func() error{
		"Rejections":   func() error { _, err := r.Rejections(ctx, 1); return err },
		"Quarantines":  func() error { _, err := r.Quarantines(ctx); return err },
		"Quarantine":   func() error { return r.Quarantine(ctx, engine.PluginQuarantine{Plugin: "a"}) },
		"Lift":         func() error { return r.Lift(ctx, "a") },
		"Guard":        func() error { return r.Guard(ctx, "trades") },
		"Unguard":      func() error { return r.Unguard(ctx, "trades") },
		"Guarded":      func() error { _, err := r.Guarded(ctx, "trades"); return err },
		"Kept":         func() error { _, err := r.Kept(ctx); return err },
		"KeptValues":   func() error { _, err := r.KeptValues(ctx, "a", 1); return err },
		"Forget":       func() error { _, err := r.Forget(ctx, "a", true); return err },
		"ForgetShadow": func() error { return r.ForgetShadow(ctx, "a") },
	} {
		if err := ask(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := engine.DefaultConfig("sqlite://")
	cfg.Rules.Keep = -1
	if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), "rules.keep") {
		t.Errorf("a negative rules.keep: %v", err)
	}
}

// loans counts the sets of rules that were not given back.
type loans struct{ out atomic.Int64 }

func (l *loans) Acquire() contract.Rules {
	l.out.Add(1)
	return contract.Rules{Generation: 1, Release: func() { l.out.Add(-1) }}
}

// TestRulesAreGivenBack: whoever asks which rules there are gives them back, or a version that was replaced would never be closed.
func TestRulesAreGivenBack(t *testing.T) {
	t.Parallel()
	src := &loans{}
	db := openAt(t, filepath.Join(t.TempDir(), "loans.db"), func(c *engine.Config) { c.Rules.Source = src })
	if _, err := db.Rules().Forget(t.Context(), "a", false); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec(t.Context(), "CREATE TABLE t (x)"); err != nil {
		t.Error(err)
	}
	if n := src.out.Load(); n != 0 {
		t.Errorf("%d sets of rules were not given back", n)
	}
}
