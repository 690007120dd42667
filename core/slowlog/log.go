package slowlog

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/internal/histogram"
)

// Config of a Log.
type Config struct {
	// Signal, Analytics and Other are how long statements of the classes may take. 0 logs each of them.
	Signal, Analytics, Other time.Duration
	Policy                   Policy
	// Explain asks for the plan of a statement with its bindings. It is called on a goroutine of the log, one at a time. Nil: no plans.
	Explain func(ctx context.Context, g Given) ([]PlanStep, error)
	// Keep stores an entry. It is called as Explain is.
	Keep func(ctx context.Context, e Entry) error
	// Now is the time.
	Now func() time.Time
}

// Log watches statements. It is safe for concurrent use.
type Log struct {
	cfg Config
	key []byte // of hashes

	mu     sync.RWMutex
	kinds  map[uint64]*kind
	gone   []uint64                  // forgotten since Forgotten was called
	recent [256]atomic.Pointer[kind] // of kinds, by fingerprint: most statements are found here, without the lock

	held  holders
	queue chan pending
	flush chan chan struct{}
	stop  context.CancelFunc
	ended chan struct{}

	evicted, dropped, failed atomic.Uint64
	reasons                  [len(reasonNames)]atomic.Uint64
}

// reasonNames is in the order of the bits of a set of reasons.
var reasonNames = [...]string{Threshold, Unusual, Scan, AutoIndex, Sort, Reprepare}

// pending is an entry without its plan.
type pending struct {
	entry Entry
	given Given
}

// queued is how many entries may wait for their plan.
const queued = 256

// New starts a log. Close ends it.
func New(cfg Config) *Log {
	ctx, stop := context.WithCancel(context.Background())
	l := &Log{cfg: cfg, key: make([]byte, 32), kinds: map[uint64]*kind{}, held: holders{news: make(chan struct{}, 1)}, queue: make(chan pending, queued), flush: make(chan chan struct{}), stop: stop, ended: make(chan struct{})}
	rand.Read(l.key)
	go l.work(ctx)
	return l
}

// Usual counts a statement of a known kind that there is no reason to log. Where it reports false it has done nothing, and Observe wants to know
// all: most statements are spared being put together for that.
func (l *Log) Usual(fingerprint uint64, class string, r *Run) bool {
	k := l.known(fingerprint)
	if k == nil || r.Reprepares > 0 || l.reasonsOf(class, r, k) != 0 {
		return false
	}
	k.count(r)
	return true
}

// Observe looks at a statement. For one that is fast and known it allocates nothing and waits for nobody.
func (l *Log) Observe(ctx context.Context, o *Observation) {
	k := l.known(o.Query.Fingerprint)
	if k == nil {
		k = l.meet(o)
	}
	k.count(&o.Run)
	if why := l.reasonsOf(o.Class, &o.Run, k); why != 0 {
		l.note(ctx, o, k, why)
	}
}

// known is the kind of a fingerprint; nil where it was never met, or is forgotten.
func (l *Log) known(fingerprint uint64) *kind {
	at := &l.recent[fingerprint%uint64(len(l.recent))]
	if k := at.Load(); k != nil && k.query.Fingerprint == fingerprint {
		return k
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	k := l.kinds[fingerprint]
	if k != nil {
		at.Store(k) // under the lock: whoever forgets a kind takes it out of both places at once
	}
	return k
}

// forget lets go of a kind. The lock is held.
func (l *Log) forget(fingerprint uint64) {
	l.recent[fingerprint%uint64(len(l.recent))].CompareAndSwap(l.kinds[fingerprint], nil)
	delete(l.kinds, fingerprint)
	if l.gone = append(l.gone, fingerprint); len(l.gone) > 2*MaxKinds { // nobody asks
		l.gone = slices.Delete(l.gone, 0, MaxKinds)
	}
	l.evicted.Add(1)
}

// Forgotten lists the fingerprints that were forgotten since it was called before: what was counted of them begins anew if they come again.
func (l *Log) Forgotten() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, len(l.gone))
	for i, f := range l.gone {
		out[i] = inHex(f)
	}
	l.gone = nil
	return out
}

// reasonsOf is the set of reasons for which the statement is logged, a bit each; none for most.
func (l *Log) reasonsOf(class string, r *Run, k *kind) (set uint) {
	limit := l.cfg.Other
	switch class {
	case "signal":
		limit = l.cfg.Signal
	case "analytics":
		limit = l.cfg.Analytics
	}
	if r.Duration > limit {
		set |= 1
	}
	if usual := k.limit.Load(); usual > 0 && int64(r.Duration) > usual {
		set |= 2
	}
	if r.FullScanSteps > 10_000 && (r.RowsReturned+r.RowsChanged)*100 <= r.FullScanSteps {
		set |= 4
	}
	if r.AutoIndexes > 0 {
		set |= 8
	}
	if r.Sorts > 0 && r.VMSteps > 100_000 {
		set |= 16
	}
	if r.Reprepares > 0 && k.reprepares.Add(r.Reprepares) > 10 {
		set |= 32
	}
	return set
}

// meet makes a fingerprint known. Where there are too many it forgets the one of a few that was seen longest ago.
func (l *Log) meet(o *Observation) *kind {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.kinds[o.Query.Fingerprint]; k != nil {
		return k
	}
	if len(l.kinds) >= MaxKinds {
		looked, oldest, victim := 0, int64(0), uint64(0)
		for f, k := range l.kinds { // in no order
			if at := k.last.Load(); looked == 0 || at < oldest {
				oldest, victim = at, f
			}
			if looked++; looked == 32 {
				break
			}
		}
		l.forget(victim)
	}
	k := &kind{query: o.Query}
	k.keep(copied(o.Given))
	l.kinds[o.Query.Fingerprint] = k
	return k
}

// Bounds of what is kept of a set of bindings, in bytes: eight sets of five thousand fingerprints stay in memory.
const (
	mostValue = 4 << 10  // of a text or a blob; plans and replays get its beginning
	mostGiven = 64 << 10 // of the statement with its bindings; of a larger one nothing is kept
)

// copied makes what the caller gave good for later. It is empty where that is too much.
func copied(g Given) Given {
	g.Args = slices.Clone(g.Args)
	size := len(g.SQL)
	for i, a := range g.Args {
		name, named := a.(sql.NamedArg)
		if named {
			a = name.Value
		}
		a, n := shortened(a)
		size += n
		if g.Args[i] = a; named {
			name.Value = a
			g.Args[i] = name
		}
	}
	if size > mostGiven {
		return Given{Name: g.Name}
	}
	return g
}

// shortened is a binding that is good for later, and how many bytes it keeps alive.
func shortened(a any) (any, int) {
	const each = 16 // of an interface
	switch v := a.(type) {
	case []byte:
		n := min(len(v), mostValue)
		return make([]byte, n), each + n // not what is in it, which the caller may be changing
	case string:
		if len(v) > mostValue {
			v = strings.Clone(v[:mostValue])
		}
		return v, each + len(v)
	}
	return a, each
}

// note writes an entry.
func (l *Log) note(ctx context.Context, o *Observation, k *kind, why uint) {
	r := &o.Run
	e := Entry{At: r.Start, Fingerprint: inHex(o.Query.Fingerprint), Text: o.Query.Text, Summary: o.Query.Summary, Error: r.Error,
		Origin: Origin{Lane: o.Lane, Class: o.Class, Caller: o.Given.Name}, Waits: Waits{Duration: r.Duration, Queue: r.QueueWait, Slot: r.SlotWait},
		Bindings: l.cfg.Policy.render(o.Given.Args, l.key),
		Work:     Work{r.RowsReturned, r.RowsChanged, r.VMSteps, r.FullScanSteps, r.Sorts, r.AutoIndexes, r.Reprepares, r.Retries}}
	for i, name := range reasonNames {
		if why&(1<<i) != 0 {
			e.Reasons = append(e.Reasons, name)
			l.reasons[i].Add(1)
		}
	}
	if span := oteltrace.SpanContextFromContext(ctx); span.IsSampled() {
		e.Trace = span.TraceID().String()
	}
	p := pending{e, copied(o.Given)}
	k.keep(p.given)
	if k.admit(&p, l.cfg.Now()) {
		l.enqueue(p)
	}
}

func (l *Log) enqueue(p pending) {
	select {
	case l.queue <- p:
	default:
		l.dropped.Add(1)
	}
}

// Held tells who held the writer, so that those who waited can say for whom.
func (l *Log) Held(name string, from, to time.Time) { l.held.add(name, from, to) }

// planTime bounds how long a plan is asked for.
const planTime = 5 * time.Second

func (l *Log) work(ctx context.Context) {
	defer close(l.ended)
	for {
		select {
		case p := <-l.queue:
			l.keep(ctx, p)
		case done := <-l.flush:
			for len(l.queue) > 0 {
				l.keep(ctx, <-l.queue)
			}
			close(done)
		case <-ctx.Done():
			for len(l.queue) > 0 { // without plans: the database is being closed
				l.keep(ctx, <-l.queue)
			}
			return
		}
	}
}

func (l *Log) keep(ctx context.Context, p pending) {
	e := p.entry
	if l.cfg.Explain != nil && p.given.SQL != "" && ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, planTime)
		plan, err := l.cfg.Explain(asked, p.given)
		cancel()
		e.Plan = plan
		if err != nil {
			e.PlanError = "the plan could not be asked for" // the error may quote a literal
		}
	}
	if e.Lane == "writer" && e.Queue >= holderFrom {
		e.Holder = l.held.await(ctx, e.At, e.At.Add(e.Queue))
	}
	if err := l.cfg.Keep(context.WithoutCancel(ctx), e); err != nil {
		l.failed.Add(1)
	}
}

// Refresh learns what is usual, and writes the entries that were drawn. Call it once a minute.
func (l *Log) Refresh() {
	for _, k := range l.all() {
		k.learn()
		for _, p := range k.drawn() {
			l.enqueue(p)
		}
	}
}

// Flush waits until what was noted before is kept.
func (l *Log) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case l.flush <- done:
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close writes what waits, without plans, and ends the log.
func (l *Log) Close() {
	l.stop()
	<-l.ended
}

func (l *Log) all() []*kind {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]*kind, 0, len(l.kinds))
	for _, k := range l.kinds {
		out = append(out, k)
	}
	return out
}

// Kinds lists what is known of fingerprints, those that took most time first; n bounds how many.
func (l *Log) Kinds(n int) []Kind {
	var out []Kind
	for _, k := range l.all() {
		out = append(out, k.summary())
	}
	slices.SortFunc(out, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out[:min(n, len(out))]
}

// Bindings are the sets of a fingerprint that are in memory. They never leave the process.
func (l *Log) Bindings(fingerprint string) []Given {
	f, err := strconv.ParseUint(fingerprint, 16, 64)
	if err != nil {
		return nil
	}
	l.mu.RLock()
	k := l.kinds[f]
	l.mu.RUnlock()
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.bindings)
}

// Busy is a fingerprint with all the times that were counted of it.
type Busy struct {
	Fingerprint string
	Times       histogram.Snapshot
}

// Busiest lists the n fingerprints that took most time since they were listed before.
func (l *Log) Busiest(n int) []Busy {
	type one struct {
		k     *kind
		s     histogram.Snapshot
		since int64
	}
	var all []one
	for _, k := range l.all() {
		s := k.times.Snapshot()
		k.mu.Lock()
		since := s.Sum - k.told.Sum
		fresh := s.Count != k.told.Count
		k.mu.Unlock()
		if fresh {
			all = append(all, one{k, s, since})
		}
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Compare(b.since, a.since) })
	out := make([]Busy, 0, min(n, len(all)))
	for _, o := range all[:min(n, len(all))] {
		o.k.mu.Lock()
		o.k.told = o.s
		o.k.mu.Unlock()
		out = append(out, Busy{inHex(o.k.query.Fingerprint), o.s})
	}
	return out
}

// Counts is what the log has counted.
type Counts struct {
	// Reasons counts statements by reason; one may have several.
	Reasons map[string]uint64
	// Evicted counts fingerprints that were forgotten, Dropped entries that found no room in the queue, Failed those that could not be kept.
	Evicted, Dropped, Failed uint64
}

// Counts returns the present counts.
func (l *Log) Counts() Counts {
	c := Counts{Reasons: map[string]uint64{}, Evicted: l.evicted.Load(), Dropped: l.dropped.Load(), Failed: l.failed.Load()}
	for i, name := range reasonNames {
		c.Reasons[name] = l.reasons[i].Load()
	}
	return c
}
