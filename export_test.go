package engine

import (
	"context"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/clock"
)

// OpenOn is Open with a clock and a plan of file faults of the test's own; either may be nil.
func OpenOn(ctx context.Context, cfg Config, c clock.Clock, f sqlite.Faults) (*DB, error) {
	return open(ctx, cfg, testSeams{clock: c, faults: f})
}

// Recorder is where statements are reported.
func (db *DB) Recorder() trace.Recorder { return db.rec }
