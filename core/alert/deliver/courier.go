package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
	"github.com/tidegate/engine/internal/sidecar"
	"github.com/tidegate/engine/sdk/contract"
)

// Sink is somebody who is told.
type Sink struct {
	// Name is how it is called in lists, metrics and keys; each has one of its own.
	Name string
	// To is asked to pass alerts on.
	To contract.Sink
	// Least is what is told: less severe alerts are not.
	Least alert.Severity
	// Repeat is after how long a sink is told again of an alert that goes on; 0 tells once. Receivers that forget need it.
	Repeat time.Duration
	// Heartbeat is how often the sink gets a sign of life; 0 never.
	Heartbeat time.Duration
}

// Config says how alerts are delivered.
type Config struct {
	// Sinks are who is told.
	Sinks []Sink
	// File has the Schema; nil: letters are kept in memory, and end with the process.
	File *sidecar.File
	// Endpoints are where messages of sinks go.
	Endpoints []Endpoint
	// Patience says how long and how often a letter is tried.
	Patience Patience
	// StillFiring says whether an alert goes on, before it is repeated; nil believes what was noted.
	StillFiring func(id int64) bool
	// Leads says whether this process delivers what is in File: the others that share it leave that to the one that does. Nil: it does. See Lead.
	Leads func(context.Context) bool
	// Engine names this engine in signs of life and tests.
	Engine string
	Clock  clock.Clock
	Log    *slog.Logger
}

// Patience bounds attempts.
type Patience struct {
	// Timeout is how long one attempt may take.
	Timeout time.Duration
	// Base and Most are the ceiling of the first delay and of all later ones; the delay itself is drawn evenly below its ceiling.
	Base, Most time.Duration
	// Age and Attempts are what makes a letter a dead one; 0 attempts is no bound.
	Age      time.Duration
	Attempts int
	// Queue is how many letters may wait for a sink; over it the oldest become dead ones.
	Queue int
}

// DefaultPatience tries for a day, at least every five minutes.
func DefaultPatience() Patience {
	return Patience{Timeout: 10 * time.Second, Base: time.Second, Most: 5 * time.Minute, Age: 24 * time.Hour, Queue: 1000}
}

// Courier delivers. It is safe for concurrent use.
type Courier struct {
	c      Config
	shelf  *shelf // nil: in memory alone
	memory *memory
	source string
	lines  []*line
	outbox *outbox
	stop   chan struct{}
	ctx    context.Context // of attempts; ends when Close has waited long enough
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

var _ alert.Notifier = (*Courier)(nil)

// New makes a courier and takes up what its file holds. Close it.
//
// # Errors
//
// Endpoints or sinks that make no sense; a file that cannot be read.
func New(ctx context.Context, c Config) (*Courier, error) {
	if c.Clock == nil {
		c.Clock = clock.System()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	out, err := newOutbox(c.Endpoints)
	if err != nil {
		return nil, err
	}
	k := &Courier{c: c, memory: newMemory(), source: newSource(), outbox: out, stop: make(chan struct{})}
	for _, s := range c.Sinks {
		if s.Name == "" || s.To == nil || k.line(s.Name) != nil {
			return nil, fmt.Errorf("each sink needs a name of its own and somebody to be asked: %q has not", s.Name)
		}
		k.lines = append(k.lines, newLine(k, s))
	}
	if c.File != nil {
		if k.shelf, err = openShelf(ctx, c.File); err != nil {
			return nil, fmt.Errorf("what alerts wait to be delivered cannot be read: %w", err)
		}
		k.source = k.shelf.source
		if k.leads(ctx) {
			if err := k.adopt(ctx); err != nil {
				return nil, fmt.Errorf("what alerts wait to be delivered cannot be read: %w", err)
			}
		}
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	tick := c.Clock.Tick(time.Second)
	k.wg.Go(func() { k.watch(tick) })
	for _, l := range k.lines {
		k.wg.Go(l.run)
	}
	return k, nil
}

// leads reports whether this process delivers what is in the file.
func (k *Courier) leads(ctx context.Context) bool { return k.c.Leads == nil || k.c.Leads(ctx) }

// adopt turns what waits for sinks that are not configured any more into dead letters.
func (k *Courier) adopt(ctx context.Context) error {
	n, err := k.shelf.orphans(ctx, func(sink string) bool { return k.line(sink) != nil }, k.c.Clock.Now())
	if n > 0 {
		k.c.Log.Warn("alerts wait for sinks that are not configured any more: they are dead letters now (engine alert dead)", "letters", n)
	}
	return err
}

// Lead is to be called when Leads begins to be true: what is in the file is delivered from now on.
func (k *Courier) Lead(ctx context.Context) {
	if k.shelf != nil {
		if err := k.adopt(ctx); err != nil {
			k.c.Log.Warn("what alerts wait for sinks that are not configured any more is not known", "error", err)
		}
	}
	k.Wake()
}

func (k *Courier) line(sink string) *line {
	for _, l := range k.lines {
		if l.sink.Name == sink {
			return l
		}
	}
	return nil
}

// watch wakes lines when something is due.
func (k *Courier) watch(tick *clock.Ticker) {
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now := k.c.Clock.Now()
			for _, l := range k.lines {
				if l.due(now) || k.c.Leads != nil { // others may have put something into the file
					l.wake()
				}
			}
		case <-k.stop:
			return
		}
	}
}

// Enqueue notes an alert for every sink that is to hear of it, in the caller's transaction of the file. Once that is committed, call Wake. An alert that is
// noted again, with the same ID and the same Firing, is told once. Without a file there is no transaction: use Notify.
//
// # Errors
//
// Those of SQLite: the caller's transaction should fail.
func (k *Courier) Enqueue(c *sqlite.Conn, a alert.Alert) error {
	if k.shelf == nil {
		return errors.New("alerts are kept in memory, which no transaction undoes: use Notify")
	}
	for _, l := range k.lines {
		if a.Severity < l.sink.Least {
			continue
		}
		over, err := k.shelf.add(c, l.sink.Name, &a, k.c.Clock.Now(), k.c.Patience.Queue)
		if err != nil {
			return err
		}
		l.overflow(over)
	}
	return nil
}

// Stored reports whether letters are kept in a file, so that Enqueue can be used.
func (k *Courier) Stored() bool { return k.shelf != nil }

// Wake has what was noted delivered now.
func (k *Courier) Wake() {
	for _, l := range k.lines {
		l.wake()
	}
}

// Notify implements alert.Notifier: Enqueue in a transaction of its own. Where the file does not take the alert, because the disk is full for example, it is
// kept in memory, told all the same, and the log says so.
func (k *Courier) Notify(ctx context.Context, a alert.Alert) error {
	defer k.Wake()
	if k.shelf != nil {
		err := k.c.File.Write(ctx, func(c *sqlite.Conn) error { return k.Enqueue(c, a) })
		if err == nil {
			return nil
		}
		k.c.Log.Warn("an alert is kept in memory until it is told: the telemetry database does not take it", "rule", a.Rule, "error", err)
	}
	for _, l := range k.lines {
		if a.Severity >= l.sink.Least {
			l.overflow(k.memory.add(l.sink.Name, a, k.c.Clock.Now(), k.c.Patience.Queue))
		}
	}
	return nil
}

// Dead lists dead letters, newest first.
func (k *Courier) Dead(ctx context.Context, limit int) ([]Letter, error) {
	out := k.memory.dead(limit)
	if k.shelf != nil {
		stored, err := k.shelf.dead(ctx, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, stored...)
	}
	return out[:min(limit, len(out))], nil
}

// ListDead lists the dead letters of a file that may be open elsewhere.
func ListDead(ctx context.Context, file *sidecar.File, limit int) ([]Letter, error) {
	return (&shelf{file: file}).dead(ctx, limit)
}

// Resend puts a dead letter back into its line, or all of them for 0, and says how many. Those for sinks that are not configured stay.
func (k *Courier) Resend(ctx context.Context, id int64) (n int, err error) {
	now := k.c.Clock.Now()
	if id <= 0 {
		n = k.memory.revive(id, now)
	}
	if k.shelf != nil && id >= 0 {
		stored, failed := k.shelf.revive(ctx, id, func(sink string) bool { return k.line(sink) != nil }, now)
		n, err = n+stored, failed
	}
	k.Wake()
	return n, err
}

// Close ends deliveries. Attempts under way may end until ctx does, and what is in memory alone is tried once more until then.
func (k *Courier) Close(ctx context.Context) error {
	close(k.stop)
	done := make(chan struct{})
	go func() {
		k.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		k.cancel()
		<-done
	}
	k.cancel()
	k.outbox.close()
	left := map[string][2]int{}
	k.memory.count(left)
	waiting := 0
	for _, n := range left {
		waiting += n[0]
	}
	if waiting > 0 {
		return errors.Join(ctx.Err(), fmt.Errorf("%d alerts were not delivered and are lost: without telemetry.store they are kept in memory alone", waiting))
	}
	return nil
}
