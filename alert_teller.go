package engine

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/internal/clock"
)

// AlertTeller is the process that tells of the alerts of a telemetry database. Of several that share one the others watch: what the teller sees as well they
// leave to it.
type AlertTeller = alert.Teller

// tellBound bounds a look at who tells.
const tellBound = 5 * time.Second

// takeTurn asks whether this process is the one that tells. Without a file there is nobody else.
func (db *DB) takeTurn(ctx context.Context) {
	t := db.chores.watched
	if t.file == nil || !db.cfg.Alerts.Evaluate {
		return
	}
	t.alarms.lease = alert.NewLease(t.file, db.clock.Now)
	t.alarms.lease.Renew(ctx)
}

// leads says whether letters of the file are this process's to deliver. One that evaluates nothing leaves them to one that does.
func (db *DB) leads() func(context.Context) bool {
	if t := db.chores.watched; t.alarms.lease != nil {
		return t.alarms.lease.Held
	}
	return func(context.Context) bool { return false }
}

// keepTurn renews the lease until stop, and takes up what a teller has left that is not heard of any more.
func (db *DB) keepTurn(tick *clock.Ticker, stop <-chan struct{}) {
	defer tick.Stop()
	a := &db.chores.watched.alarms
	led := a.lease.Teller().Self
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), tellBound)
		a.board.Lead(ctx, db.clock.Now())
		leads := a.lease.Held(ctx)
		if leads && !led && a.courier != nil {
			a.courier.Lead(ctx)
		}
		cancel()
		led = leads
	}
}

// giveTurn lets another process tell at once.
func (a *alarms) giveTurn(db *DB) {
	if a.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellBound)
	defer cancel()
	if err := a.lease.Release(ctx); err != nil {
		db.log.Warn("another process that watches begins to tell of alerts a few seconds late", "error", err)
	}
}

// Teller is the process that tells of alerts: this one, or another one that shares the telemetry database.
//
// # Errors
//
// [ErrNoAlerts].
func (a Alerts) Teller() (AlertTeller, error) {
	if _, err := a.board(); err != nil {
		return AlertTeller{}, err
	}
	if l := a.db.chores.watched.alarms.lease; l != nil {
		return l.Teller(), nil
	}
	return AlertTeller{Self: true, Heard: a.db.clock.Now().UTC()}, nil
}
