package ledger

import (
	"context"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/internal/failpoint"
)

// Policy says how long entries are kept. The zero value of a field sets no limit.
type Policy struct {
	Age     time.Duration // older ones are removed
	Entries int64         // beyond so many, the oldest are removed
}

// batch is how many entries one transaction removes: some tens of pages, within a millisecond.
const batch = 256

const (
	removeOlder = `DELETE FROM ` + table + ` WHERE key IN (SELECT key FROM ` + table + ` WHERE at_ns < ? ORDER BY at_ns LIMIT ?)`
	removeFirst = `DELETE FROM ` + table + ` WHERE key IN (SELECT key FROM ` + table + ` ORDER BY at_ns LIMIT ?)`
	countAll    = `SELECT count(*) FROM ` + table
)

// Purge removes what the policy does not keep, in small transactions that let everybody else go first; busy reports whether somebody waits
// for the writer, and ends it. It returns how many entries were removed.
func Purge(ctx context.Context, lanes *lane.Lanes, p Policy, now time.Time, busy func() bool) (removed int64, err error) {
	over := int64(0)
	if p.Entries > 0 {
		n, err := count(ctx, lanes)
		if err != nil || n == 0 {
			return 0, err
		}
		over = n - p.Entries
	}
	for !busy() {
		n, err := step(ctx, lanes, p, now, over-removed)
		removed += n
		if isMissing(err) {
			return 0, nil
		}
		if err != nil || n < batch {
			return removed, err
		}
	}
	return removed, nil
}

// step removes one batch, by age first.
func step(ctx context.Context, lanes *lane.Lanes, p Policy, now time.Time, over int64) (n int64, err error) {
	opt := lane.JobOptions{Class: lane.Maintenance, Relaxed: true, Name: "purge keys", Own: true}
	_, err = lanes.Do(ctx, opt, func(tx *lane.Tx) error {
		n = 0
		if p.Age > 0 {
			res, err := tx.ExecOwn(ctx, removeOlder, []any{now.Add(-p.Age).UnixNano(), int64(batch)})
			if err != nil {
				return err
			}
			n = res.RowsAffected
		}
		if left := min(over-n, batch-n); left > 0 {
			res, err := tx.ExecOwn(ctx, removeFirst, []any{left})
			if err != nil {
				return err
			}
			n += res.RowsAffected
		}
		failpoint.Hit(failpoint.PurgeUncommitted)
		return nil
	})
	if err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.PurgeCommitted)
	return n, nil
}

// count is the number of entries; 0 without a table.
func count(ctx context.Context, lanes *lane.Lanes) (int64, error) {
	cur, err := lanes.Query(ctx, lane.ReadOptions{Class: lane.Maintenance, Name: "count keys"}, countAll, nil)
	if isMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer cur.Finish()
	if ok, err := cur.Next(ctx); err != nil || !ok {
		return 0, err
	}
	return cur.Row()[0].Int, nil
}
