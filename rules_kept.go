package engine

import (
	"context"
	"fmt"

	"github.com/tidegate/engine/core/change"
)

// What plug-ins keep.
type (
	// PluginKept tells how much a plug-in keeps in the database, whether it is in service or not.
	PluginKept = change.Kept
	// PluginValue is one value that a plug-in keeps.
	PluginValue = change.KeptValue
)

// Kept lists what each plug-in keeps, by name. Values stay when a plug-in is unloaded, so that it goes on where it was once it is back; [Rules.Forget] removes them.
func (r Rules) Kept(ctx context.Context) ([]PluginKept, error) {
	out, err := change.AllKept(ctx, r.db.lanes)
	return out, typed(err, "")
}

// KeptValues lists up to most of the values that a plug-in keeps, by key.
func (r Rules) KeptValues(ctx context.Context, plugin string, most int) ([]PluginValue, error) {
	out, err := change.KeptBy(ctx, r.db.lanes, plugin, most)
	return out, typed(err, "")
}

// Forget removes what a plug-in keeps, that of its version in shadow mode included, and says how many values that were. A plug-in whose rules are in force on this
// database is refused unless force is true: a rule that counts would begin anew in the middle of its day. Rules of other processes are not known here.
//
// # Errors
//
// Those of [DB.Exec]; [ErrPluginInService].
func (r Rules) Forget(ctx context.Context, plugin string, force bool) (int64, error) {
	if !force && r.serves(plugin) {
		return 0, fmt.Errorf("%w: %s would begin anew with nothing: unload it first, or force it", ErrPluginInService, plugin)
	}
	n, err := change.Forget(ctx, r.db.lanes, plugin, false)
	return n, typed(err, "")
}

// ForgetShadow is Forget for what a version in shadow mode has kept, which ends with it.
func (r Rules) ForgetShadow(ctx context.Context, plugin string) error {
	_, err := change.Forget(ctx, r.db.lanes, plugin, true)
	return typed(err, "")
}

// serves reports whether rules of a plug-in are in force.
func (r Rules) serves(plugin string) bool {
	src := r.db.cfg.Rules.Source
	if src == nil {
		return false
	}
	rules := src.Acquire()
	if rules.Release != nil {
		defer rules.Release()
	}
	for i := range rules.List {
		if rules.List[i].Validator.Identity().Name == plugin {
			return true
		}
	}
	return false
}
