package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/sqlite"
)

// What is left of long data moves is kept beside the history, so that a restart goes on where it was.
const createBackground = `CREATE TABLE IF NOT EXISTS _tg_background (
  component   TEXT    NOT NULL,
  version     INTEGER NOT NULL,
  sql         TEXT    NOT NULL,
  rows        INTEGER NOT NULL DEFAULT 0,
  done        INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)),
  PRIMARY KEY (component, version)
) STRICT, WITHOUT ROWID`

func startBackground(conn *sqlite.Conn, mig *Migration) error {
	if mig.Background == "" {
		return nil
	}
	return own(conn, "INSERT OR REPLACE INTO _tg_background (component, version, sql) VALUES (?, ?, ?)", mig.Component, mig.Version, mig.Background)
}

// Move is the background section of a migration: a statement that changes :batch rows at a time, after the start and beside the
// traffic, until it finds none.
type Move struct {
	Component string
	Version   int
	SQL       string
	Rows      int64 // changed so far
	Done      bool
}

// Moves lists the data moves of all applied migrations.
func (m *Migrator) Moves(ctx context.Context) (moves []Move, err error) {
	err = m.with(ctx, func(conn *sqlite.Conn) error {
		ok, err := hasTable(conn, "_tg_background")
		if err != nil || !ok {
			return err
		}
		err = ownRows(conn, "SELECT component, version, sql, rows, done FROM _tg_background ORDER BY component, version", nil, func(v []sqlite.Value) error {
			moves = append(moves, Move{text(v[0]), int(v[1].Int), text(v[2]), v[3].Int, v[4].Int != 0})
			return nil
		})
		if err != nil {
			return fmt.Errorf("migrate: read the data moves: %w", err)
		}
		return nil
	})
	return moves, err
}

// MoveProgress is the statement that notes a batch, in the transaction of the batch itself; its arguments are rows, done (0 or 1), component
// and version.
const MoveProgress = "UPDATE _tg_background SET rows = rows + ?, done = ? WHERE component = ? AND version = ?"

// Pace decides how large the next batch of a move is and how long to wait for it, from what the last one cost: a batch keeps the writer
// for a few milliseconds, and the writer belongs to the callers for most of the time. The zero value starts with small batches.
type Pace struct{ rows int64 }

// How long a batch should keep the writer, and the bounds of a batch.
const (
	paceHold  = 5 * time.Millisecond
	paceFirst = 64
	paceMost  = 10_000
)

// Rows is the size of the next batch.
func (p *Pace) Rows() int64 {
	if p.rows == 0 {
		p.rows = paceFirst
	}
	return p.rows
}

// Next takes in how long the last batch had to wait for the writer and how long it kept it, and returns how long to leave the writer alone.
func (p *Pace) Next(queued, held time.Duration) time.Duration {
	switch {
	case held > 2*paceHold:
		p.rows = max(1, p.Rows()/2)
	case held < paceHold/2:
		p.rows = min(paceMost, p.Rows()*2)
	}
	// A fifth of the writer at most, and less where others already wait: the longer this batch queued, the busier they are.
	return max(4*held, 10*queued, time.Millisecond)
}
