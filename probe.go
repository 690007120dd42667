package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/quarantine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/clock"
)

const (
	probeEvery    = 25 * time.Millisecond // how often the prober looks whether a breaker wants a probe
	probeTime     = 10 * time.Second      // the most that one probe may take
	verifyTime    = 30 * time.Second      // and the check of the file after a failed sync
	probeSpace    = 1 << 20               // what must be free to write; less would fill up again at once
	watchEvery    = 40                    // looks between two at the quarantine's record: a second
	probeFileName = ".tidegate-probe-*"
)

// prober probes the breakers that no caller may probe with his own data, and watches for the end of a quarantine. It runs while there is
// something to do, and costs nothing otherwise.
type prober struct {
	db     *DB
	clock  clock.Clock
	verify atomic.Bool // a sync failed: check the file before anything is written to it again

	mu      sync.Mutex
	armed   bool // the database is open: there is something to probe
	running bool
	wanted  bool // start was called while it ran
	closed  bool
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

func (p *prober) init(db *DB, c clock.Clock) {
	p.db, p.clock = db, c
	if c == nil {
		p.clock = clock.System()
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
}

// start makes sure that the prober runs. It only takes the prober's own lock.
func (p *prober) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	p.launch()
}

// arm lets the prober run, now that the database is open.
func (p *prober) arm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = true
	if p.wanted {
		p.launch()
	}
}

// launch is start with p.mu held.
func (p *prober) launch() {
	if p.closed || p.running || !p.armed {
		return
	}
	p.running = true
	p.wg.Go(p.run)
}

// stop ends it and waits.
func (p *prober) stop() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.wg.Wait()
}

func (p *prober) run() {
	tick := p.clock.Tick(probeEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		if n%watchEvery == 0 {
			p.db.watchQuarantine()
		}
		if !p.look() && p.rest() {
			return
		}
	}
}

// rest ends the run unless somebody has called start since the last look.
func (p *prober) rest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted {
		p.wanted = false
		return false
	}
	p.running = false
	return true
}

// look probes what is due, and reports whether anything is left to look after.
func (p *prober) look() bool {
	g := &p.db.guard
	if g.opening.Due() {
		p.open()
	}
	if g.storage.Due() {
		p.probe(g.storage, p.device)
	}
	if g.writing.Due() {
		p.probe(g.writing, p.space)
	}
	for _, b := range []*breaker.Breaker{g.opening, g.storage, g.writing} {
		if b.State() != breaker.Closed {
			return true
		}
	}
	return g.quarantine.why.Load() != nil
}

// probe runs one probe of b, with a span.
func (p *prober) probe(b *breaker.Breaker, run func(context.Context) error) {
	due, _ := b.Allow()
	if !due {
		return
	}
	ctx, span := p.db.rec.StartTx(p.ctx, "probe "+b.Status().Name, "probe")
	err := run(ctx)
	span.End(trace.TxEnd{Err: typed(err, ""), Outcome: outcomeOf(err)})
	if p.ctx.Err() != nil {
		b.Withdraw() // Shutdown: it proved nothing
		return
	}
	b.Settle(err)
}

func outcomeOf(err error) string {
	if err != nil {
		return "rolled_back"
	}
	return "committed"
}

// open opens a connection and closes it. The breaker of opening hears of it where it is dialled.
func (p *prober) open() {
	ctx, cancel := context.WithTimeout(p.ctx, probeTime)
	defer cancel()
	conn, err := p.db.store.Connect(ctx, sqlite.Reader)
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		p.db.log.Debug("a connection cannot be opened yet", "error", shown(err))
	}
}

// device reads from a new connection and writes one page, synced, that holds what it held before. After a failed sync it first has the
// whole file checked: what the system had not written then may be lost, whatever a later sync says.
func (p *prober) device(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	want := lane.ReadOptions{Class: ClassMaintenance, Name: "probe", Fresh: true}
	if _, err := p.read(ctx, want, "SELECT count(*) FROM sqlite_schema"); err != nil {
		return err
	}
	if p.verify.Load() {
		if err := p.check(want); err != nil {
			return err
		}
	}
	if err := p.page(ctx); err != nil {
		return err
	}
	p.verify.Store(false)
	return nil
}

// check has SQLite look through the file. One that is too large for the time it may take passes: the writes of a database that nobody
// has found damaged are worth more than the rest of a check.
func (p *prober) check(want lane.ReadOptions) error {
	ctx, cancel := context.WithTimeout(p.ctx, verifyTime)
	defer cancel()
	found, err := p.read(ctx, want, "PRAGMA quick_check(1)")
	switch {
	case errors.Is(err, context.DeadlineExceeded) && p.ctx.Err() == nil:
		p.db.log.Warn("the check after a failed sync did not come to its end: run `engine health --reset` at a quiet hour", "after", verifyTime)
		return nil
	case err == nil && found != "ok":
		err = &sqlite.Error{Class: sqlite.Corrupt, Op: "quick check", Msg: "after a failed sync: " + found}
	}
	if err != nil && (sqlite.ClassOf(err) == sqlite.Corrupt || sqlite.ClassOf(err) == sqlite.NotADB) {
		p.db.damaged(err, nil)
	}
	return err
}

// read returns the first column of a statement's one row.
func (p *prober) read(ctx context.Context, want lane.ReadOptions, sql string) (string, error) {
	cur, err := p.db.lanes.Query(ctx, want, sql, nil)
	if err != nil {
		return "", err
	}
	defer cur.Finish()
	ok, err := cur.Next(ctx)
	if err != nil || !ok {
		return "", err
	}
	return fmt.Sprint(cur.Row()[0].Any()), nil
}

// page writes the first page of the database with what it holds already, as a durable transaction like any other.
func (p *prober) page(ctx context.Context) error {
	if p.db.whyReadOnly() != nil {
		return nil // nobody writes here
	}
	_, err := p.db.lanes.Do(ctx, lane.JobOptions{Class: ClassMaintenance, Name: "probe", RunOnce: true, Own: true}, func(tx *lane.Tx) error {
		cur, err := tx.Open(ctx, "PRAGMA user_version", nil)
		if err != nil {
			return err
		}
		ok, err := cur.Next(ctx)
		if err != nil || !ok {
			return errors.Join(err, cur.Close())
		}
		version := cur.Row()[0].Any()
		if err := cur.Close(); err != nil {
			return err
		}
		_, err = tx.ExecOwn(ctx, fmt.Sprintf("PRAGMA user_version=%d", version), nil)
		return err
	})
	return err
}

// space makes sure that there is room again, which a page that fits into the log's old size would not show, and that writing is allowed.
func (p *prober) space(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if loc := p.db.store.Location(); !loc.Memory {
		if err := scratch(filepath.Dir(quarantine.Path(loc.Path))); err != nil {
			return err
		}
	}
	return p.page(ctx)
}

// scratch writes a file of probeSpace bytes into dir and removes it.
func scratch(dir string) error {
	f, err := os.CreateTemp(dir, probeFileName)
	if err != nil {
		return err
	}
	gone := os.Remove(f.Name()) == nil // at once where the system lets us, so that a crash leaves nothing behind
	_, err = f.Write(make([]byte, probeSpace))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if !gone {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
