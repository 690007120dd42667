// Package desk is a trading desk on the engine: it places orders after a risk
// check, books what venues report, keeps positions and the cash ledger, and
// answers what a portfolio is worth.
//
// Each report of a venue is one transaction: execution, order, position, daily
// roll-up and ledger change together or not at all. Reports may come twice, late
// or wrong; a repeated one changes nothing, and one that the rules refuse is kept
// as a break for a person to decide.
package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/desk/id"
)

// Desk trades on one database. It is safe for concurrent use.
type Desk struct {
	db  *engine.DB
	ids *id.Generator
	ref *reference
}

// ErrUnknown says that an account, instrument, order or ledger account is not
// in the database.
var ErrUnknown = errors.New("not in the reference data; seed it first")

// Open returns a desk on a database that holds the trading schema and its
// reference data (see [Seed]). Ids carry the clock's time; a nil clock is
// time.Now.
//
// # Errors
//
// The engine's, when the schema is not there.
func Open(ctx context.Context, db *engine.DB, clock func() time.Time) (*Desk, error) {
	ids, err := id.New(0, clock)
	if err != nil {
		return nil, err
	}
	highest, err := highestID(ctx, db)
	if err != nil {
		return nil, err
	}
	ids.SkipPast(highest)
	ref, err := loadReference(ctx, db)
	if err != nil {
		return nil, err
	}
	return &Desk{db: db, ids: ids, ref: ref}, nil
}

// highestID is what a new generator must stay above: an earlier run may have
// had a clock that was ahead.
func highestID(ctx context.Context, db *engine.DB) (int64, error) {
	var highest int64
	err := db.QueryRow(ctx, `SELECT max(
  coalesce((SELECT max(order_id) FROM orders), 0), coalesce((SELECT max(exec_id) FROM executions), 0),
  coalesce((SELECT max(txn_id) FROM ledger_txns), 0), coalesce((SELECT max(signal_id) FROM signals), 0),
  coalesce((SELECT max(break_id) FROM execution_breaks), 0), coalesce((SELECT max(adjustment_id) FROM position_adjustments), 0))`).Scan(&highest)
	if err != nil {
		return 0, fmt.Errorf("desk: read the highest id: %w", err)
	}
	return highest, nil
}

// DB returns the database the desk trades on.
func (d *Desk) DB() *engine.DB { return d.db }

// update runs a transaction that may be begun again: everything the desk writes
// is guarded by a key (client order id, venue's execution id, state), so a
// second run changes nothing twice.
func (d *Desk) update(ctx context.Context, name string, class engine.Class, fn func(ctx context.Context, tx *engine.Tx) error, opts ...engine.Option) error {
	opts = append(opts, engine.WithName(name), engine.WithClass(class), engine.Replayable())
	return patiently(ctx, func() error { return d.db.Update(ctx, fn, opts...) })
}
