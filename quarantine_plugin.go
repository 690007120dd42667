package engine

import (
	"context"

	"github.com/tidegate/engine/core/change"
)

// PluginQuarantine is a plug-in that stays out of service until an operator acts, stored in the database.
type PluginQuarantine = change.Quarantine

// Quarantine stores that a plug-in is out of service. Whoever gives the database its rules reads it back at the next start: the rules themselves are
// those of Config.Rules.Source.
func (r Rules) Quarantine(ctx context.Context, q PluginQuarantine) error {
	return typed(q.Store(ctx, r.db.lanes), "")
}

// Quarantines lists the stored quarantines, by name.
func (r Rules) Quarantines(ctx context.Context) ([]PluginQuarantine, error) {
	out, err := change.Quarantines(ctx, r.db.lanes)
	return out, typed(err, "")
}

// Lift forgets the stored quarantine of a plug-in. It is no error where there is none.
func (r Rules) Lift(ctx context.Context, plugin string) error {
	return typed(change.LiftQuarantine(ctx, r.db.lanes, plugin), "")
}

// Guarded reports whether [Rules.Guard] is in force on a table.
func (r Rules) Guarded(ctx context.Context, table string) (bool, error) {
	ok, err := change.Guarded(ctx, r.db.lanes, table)
	return ok, typed(err, "")
}
