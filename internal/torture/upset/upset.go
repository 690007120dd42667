// Package upset does to a database that is being written to what should hurt nobody but who did it: a panic, or want of memory, inside of a
// group's transaction (P6), and files that are renamed, replaced or unlinked under it (P7).
package upset

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine"
)

// limit is how soon the others write again, and how soon nothing is acknowledged any more into files that are not at the path.
const limit = time.Second

// note is an acknowledged row.
type note struct {
	n  int64
	at time.Time
}

// crowd writes rows, one after the other and each with a number of its own, and reads single ones in between.
type crowd struct {
	db    *engine.DB
	next  atomic.Int64
	mu    sync.Mutex
	notes []note
	last  time.Time // of an acknowledgement
	gap   time.Duration
	wg    sync.WaitGroup
	stop  context.CancelFunc
}

const createRows = "CREATE TABLE row (n INTEGER NOT NULL PRIMARY KEY, pad BLOB) STRICT"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// gather lets writers and readers begin.
func gather(ctx context.Context, db *engine.DB, writers, readers int) *crowd {
	c := &crowd{db: db}
	ctx, c.stop = context.WithCancel(ctx)
	for range writers {
		c.wg.Go(func() { c.write(ctx) })
	}
	for range readers {
		c.wg.Go(func() { c.read(ctx) })
	}
	return c
}

func (c *crowd) leave() {
	c.stop()
	c.wg.Wait()
}

// write goes on whatever a call returns: what is told is all that counts.
func (c *crowd) write(ctx context.Context) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		n := c.next.Add(1)
		if _, err := c.db.Exec(ctx, "INSERT INTO row VALUES (?, zeroblob(100))", n); err == nil {
			c.told(n)
		}
		<-pace.C
	}
}

func (c *crowd) told(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.last.IsZero() {
		c.gap = max(c.gap, now.Sub(c.last))
	}
	c.last = now
	c.notes = append(c.notes, note{n, now})
}

func (c *crowd) read(ctx context.Context) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		var got int64
		_ = c.db.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM row LIMIT 1)").Scan(&got) // files are missing meanwhile
		if n%8 == 0 {                                                                         // most without a pause: snapshots are kept in between
			<-pace.C
		}
	}
}

// acked is how many rows were acknowledged so far.
func (c *crowd) acked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.notes)
}

// worst returns the longest time without an acknowledgement since the last call, up to now.
func (c *crowd) worst() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	gap := max(c.gap, time.Since(c.last))
	c.gap, c.last = 0, time.Now()
	return gap
}

// until waits for something that must happen.
func until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return errors.New("waited in vain for " + what)
		case <-tick.C:
		}
	}
	return nil
}

// present returns the rows that are there.
func present(ctx context.Context, db *engine.DB) (map[int64]bool, error) {
	found := map[int64]bool{}
	rows, err := db.Query(ctx, "SELECT n FROM row")
	if err != nil {
		return nil, err
	}
	for row, err := range rows.All() {
		var n int64
		if err == nil {
			err = row.Scan(&n)
		}
		if err != nil {
			return nil, err
		}
		found[n] = true
	}
	return found, nil
}
