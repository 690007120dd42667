package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidegate/engine"
)

// TestTenant: the quota of a tenant holds for its reads and writes, and for nobody else's.
func TestTenant(t *testing.T) {
	t.Parallel()
	db := ledger(t, func(c *engine.Config) {
		c.Tenants.Quotas = []engine.Quota{{Tenant: "desk", InFlight: 1, Queued: 1}}
	})
	results := make(chan error, 1)
	err := db.Update(t.Context(), func(context.Context, *engine.Tx) error {
		go func() {
			_, err := db.Exec(t.Context(), "UPDATE acc SET balance = balance", engine.Tenant("desk"))
			results <- err
		}()
		eventually(t, "the desk in the queue", func() bool { return db.Stats().Writer.Waiting == 1 })
		_, err := db.Exec(t.Context(), "UPDATE acc SET balance = 0", engine.Tenant("desk"))
		wantOnly(t, err, engine.ErrOverloaded)
		var over *engine.OverloadError
		if !errors.As(err, &over) || over.Reason != engine.ReasonQuota || over.RetryAfter <= 0 {
			t.Errorf("a second of the desk: %v", err)
		}
		return nil
	})
	if err := errors.Join(err, <-results); err != nil {
		t.Fatal(err)
	}
	if n := db.Stats().Writer.Queues[2].Refused.Quota; n != 1 {
		t.Errorf("%d refusals counted", n)
	}
	if one(t, db, "SELECT count(*) FROM acc", engine.Tenant("desk")) == 0 || one(t, db, "SELECT sum(balance) FROM acc") != 2000 {
		t.Error("a refused call has written")
	}
}
