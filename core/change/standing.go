package change

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// standing holds the plug-ins that are in quarantine, so that a restart does not put one back into service before an operator has acted.
const standing = "_tg_plugin_quarantine"

const (
	createStanding = `CREATE TABLE IF NOT EXISTS ` + standing + ` (
  plugin  TEXT    NOT NULL PRIMARY KEY,
  version TEXT    NOT NULL,
  module  TEXT    NOT NULL,   -- SHA-256 of module and configuration: another build is another matter
  config  TEXT    NOT NULL,
  at_ns   INTEGER NOT NULL,
  reason  TEXT    NOT NULL
) STRICT, WITHOUT ROWID`
	putStanding  = `INSERT OR REPLACE INTO ` + standing + ` (plugin, version, module, config, at_ns, reason) VALUES (?,?,?,?,?,?)`
	dropStanding = `DELETE FROM ` + standing + ` WHERE plugin = ?`
	listStanding = `SELECT plugin, version, module, config, at_ns, reason FROM ` + standing + ` ORDER BY plugin`
)

// Quarantine says that a plug-in is out of service.
type Quarantine struct {
	// Plugin and Version name it.
	Plugin, Version string
	// Module and Config are the SHA-256 of its module and of its configuration, in hexadecimal digits.
	Module, Config string
	// At is since when, and Reason why.
	At     time.Time
	Reason string
}

// Store writes a quarantine down, in the place of an earlier one of the same plug-in.
func (q *Quarantine) Store(ctx context.Context, lanes *lane.Lanes) error {
	_, err := lanes.Do(ctx, lane.JobOptions{Class: lane.Maintenance, Name: "quarantine of " + q.Plugin, Own: true}, func(tx *lane.Tx) error {
		if _, err := tx.ExecOwn(ctx, createStanding, nil); err != nil {
			return err
		}
		_, err := tx.ExecOwn(ctx, putStanding, []any{q.Plugin, q.Version, q.Module, q.Config, q.At.UnixNano(), q.Reason})
		return err
	})
	return err
}

// LiftQuarantine forgets the quarantine of a plug-in. It is no error where there is none.
func LiftQuarantine(ctx context.Context, lanes *lane.Lanes, plugin string) error {
	stored, err := Quarantines(ctx, lanes)
	if err != nil || len(stored) == 0 {
		return err
	}
	_, err = lanes.Do(ctx, lane.JobOptions{Class: lane.Maintenance, Name: "end of a quarantine", Own: true}, func(tx *lane.Tx) error {
		_, err := tx.ExecOwn(ctx, dropStanding, []any{plugin})
		return err
	})
	return err
}

// Quarantines lists those that are written down.
func Quarantines(ctx context.Context, lanes *lane.Lanes) ([]Quarantine, error) {
	var out []Quarantine
	err := ownRows(ctx, lanes, "quarantines", listStanding, nil, func(row []sqlite.Value) {
		text := func(i int) string { return string(row[i].Bytes) }
		out = append(out, Quarantine{Plugin: text(0), Version: text(1), Module: text(2), Config: text(3), At: time.Unix(0, row[4].Int), Reason: text(5)})
	})
	return out, err
}
