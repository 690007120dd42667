package trace

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Attribute is a key and a value, as OpenTelemetry has them.
type Attribute = attribute.KeyValue

// Options configure a [Flight].
type Options struct {
	// Provider makes the spans where Sink is nil; nil means [otel.GetTracerProvider], whose SDK may be installed later.
	Provider oteltrace.TracerProvider
	// Sink takes the spans instead of Provider.
	Sink SpanSink
	// Namespace names the database in each span: a path or a name, never a secret.
	Namespace string
	// Records is how many operations are kept, rounded up to the next 1,024. At least 1.
	Records int
	// Slow says from when on an operation is exported though its caller's span is not sampled.
	Slow Slow
}

// Slow are durations from which an operation is slow, by what it is for. Zero: none is.
type Slow struct {
	// Signal and Analytics are those of these classes, Other those of all others and of transactions, Plugin that of one call of a plug-in.
	Signal, Analytics, Other, Plugin time.Duration
}

// of is the limit of a class.
func (s *Slow) of(class string) time.Duration {
	switch class {
	case "signal":
		return s.Signal
	case "analytics":
		return s.Analytics
	}
	return s.Other
}

func (s *Slow) passed(class string, took time.Duration) bool {
	limit := s.of(class)
	return limit > 0 && took >= limit
}

// Flight is a flight recorder: it keeps a record of each of the last operations, whether they are traced or not, and turns those that are
// wanted into spans, off the caller's path. It implements [Recorder] and is safe for concurrent use. [Open] makes one.
//
// Wanted are operations below a sampled span, those without a parent (the provider's sampler decides then), and those below a span that is
// not sampled when they are slow or failed: these become roots with a link to the caller's span.
//
// The methods of a nil Flight that do not record do nothing.
type Flight struct {
	opt      Options
	spans    *spans // of Provider; nil with a Sink
	ring     *ring
	names    names
	line     *pipeline
	tally    tally
	serial   atomic.Uint64 // of transactions
	over     atomic.Bool   // Close was called
	titles   titles
	captures captures
	// commits describes the COMMIT of every group.
	commits *Query
}

var _ Recorder = (*Flight)(nil)

// names are the tables of the strings that records mention.
type names struct{ lane, class, kind, outcome, errType, status *intern }

// laneOf is lane.code, by comparisons that the compiler makes, for the two that matter.
func (n *names) laneOf(lane string) uint8 {
	switch lane {
	case "reader":
		return codeReader
	case "writer":
		return codeWriter
	}
	return n.lane.code(lane)
}

// classOf is class.code in the same way.
func (n *names) classOf(class string) uint8 {
	switch class {
	case "normal":
		return codeNormal
	case "trade":
		return codeTrade
	case "signal":
		return codeSignal
	}
	return n.class.code(class)
}

// The first codes of lanes and classes, in the order in which Open makes them known.
const (
	codeReader, codeWriter            = 1, 2
	codeNormal, codeTrade, codeSignal = 1, 2, 3
)

// tally counts what became of the records.
type tally struct {
	wanted, direct, exported, promoted, refused atomic.Uint64
	behind, priority, rate, failed, closed      atomic.Uint64
}

// Open returns a flight recorder, which works until [Flight.Close].
func Open(o Options) *Flight {
	f := &Flight{opt: o, commits: commitQuery(), ring: newRing(max(1, o.Records)), names: names{
		lane: newIntern("reader", "writer", "analytics", "maintenance"), class: newIntern("normal", "trade", "signal", "analytics", "maintenance"),
		kind: newIntern("update", "view", "batch", "session"), outcome: newIntern("committed", "rolled_back", "unknown"),
		errType: newIntern("constraint", "sql", "busy"), status: newIntern(),
	}}
	if o.Sink == nil {
		f.spans = newSpans(o.Provider, o.Namespace)
	}
	f.line = newPipeline(f)
	return f
}

// Statement implements [Recorder]. It costs the caller no more than the record, and allocates nothing.
func (f *Flight) Statement(ctx context.Context, s *Statement) {
	parent := oteltrace.SpanContextFromContext(ctx)
	slow := f.opt.Slow.passed(s.Class, s.Duration)
	r := f.ring.claim(s.Query)
	r.kind = opStatement
	r.inherit(parent)
	r.start, r.took = s.Start.UnixNano(), int64(s.Duration)
	r.group, r.tx = s.Group, s.Tx
	r.rows, r.changed = s.RowsReturned, s.RowsChanged
	r.steps, r.scanned = s.Work.VMSteps, s.Work.FullScanSteps
	r.sorts, r.autoIndexes, r.reprepares = count32(s.Work.Sorts), count32(s.Work.AutoIndexes), count32(s.Work.Reprepares)
	r.plugCalls, r.plugTime = count32(s.Work.PluginCalls), int64(s.Work.PluginTime)
	r.queue, r.slot, r.commit = micros(s.QueueWait), micros(s.SlotWait), micros(s.CommitWait)
	r.batch, r.retries = count32(int64(s.Batch)), uint16(min(s.Retries, 1<<16-1))
	r.lane, r.class = f.names.laneOf(s.Lane), f.names.classOf(s.Class)
	if slow {
		r.flags |= flagSlow
	}
	f.fault(r, s.Err)
	f.commit(r, s.Start)
}

// fault notes how an operation failed.
func (f *Flight) fault(r place, err error) {
	if err == nil {
		return
	}
	r.errType, r.status = f.names.errType.code(ErrorType(err)), f.names.status.code(statusCode(err))
}

// commit decides what becomes of a record and gives it to the ring.
func (f *Flight) commit(r place, now time.Time) {
	r.wish = f.wishFor(&r.entry, now)
	wanted, serial := r.wish != wishNone, r.serial
	r.done()
	if wanted {
		f.tally.wanted.Add(1)
		f.ring.mark(f.ring.index(serial))
		f.line.ring(serial)
	}
}

// wishFor says whether a record becomes a span.
func (f *Flight) wishFor(r *entry, now time.Time) wish {
	if f.over.Load() || f.spans != nil && f.spans.silent(now) {
		return wishNone
	}
	switch {
	case r.flags&flagDropped != 0:
		if r.urgent() {
			return wishLinked
		}
	case !r.trace.IsValid(), r.flags&flagNoParent != 0, r.flags&flagSampled != 0:
		return wishSpan
	case r.urgent():
		return wishLinked
	}
	return wishNone
}

// Flush waits until every operation that has ended by now is exported or dropped.
//
// # Errors
//
// The context's error.
func (f *Flight) Flush(ctx context.Context) error {
	if f == nil {
		return nil
	}
	return f.line.flush(ctx)
}

// Close exports what is left until ctx ends, and ends the recorder: later operations are recorded, and not exported.
//
// # Errors
//
// The context's error when spans had to be left behind; they are counted.
func (f *Flight) Close(ctx context.Context) error {
	if f == nil {
		return nil
	}
	return f.line.close(ctx)
}

// Stats are counts since the recorder was opened. Wanted is the sum of Exported, Refused, Pending and everything in Dropped.
type Stats struct {
	// Recorded counts operations, Wanted those of them that were to become spans later, Direct those whose span was made when they began
	// (transactions).
	Recorded, Wanted, Direct uint64
	// Exported counts spans that went to the sink or to the provider's processors, Promoted those of them that are roots with a link, because
	// the caller's span was not sampled and the operation was slow or failed.
	Exported, Promoted uint64
	// Refused counts those that the provider's sampler did not want.
	Refused uint64
	// Pending is how many wait now.
	Pending uint64
	// Dropped counts, by reason, spans that nobody will see.
	Dropped Drops
	// Frozen says whether a capture is kept: see [Flight.Freeze].
	Frozen bool
}

// Drops counts spans that were lost, by reason.
type Drops struct {
	// Overwritten: the ring went round before the record was looked at.
	Overwritten uint64
	// Behind: export was behind, and another statement of the same fingerprint stands for this one.
	Behind uint64
	// Priority: so far behind that even slow and failed operations had to go, the oldest first.
	Priority uint64
	// Rate: more slow or failed operations below spans that are not sampled than are exported in a second.
	Rate uint64
	// Failed: the sink returned an error.
	Failed uint64
	// Closed: left when the recorder was closed.
	Closed uint64
}

// Total is their sum.
func (d Drops) Total() uint64 {
	return d.Overwritten + d.Behind + d.Priority + d.Rate + d.Failed + d.Closed
}

// Stats returns the counts.
func (f *Flight) Stats() Stats {
	if f == nil {
		return Stats{}
	}
	t := &f.tally
	s := Stats{Direct: t.direct.Load(), Exported: t.exported.Load(), Promoted: t.promoted.Load(), Refused: t.refused.Load(), Frozen: len(f.Captures()) > 0,
		Dropped: Drops{Overwritten: f.ring.lost.Load(), Behind: t.behind.Load(), Priority: t.priority.Load(), Rate: t.rate.Load(),
			Failed: t.failed.Load(), Closed: t.closed.Load()}}
	s.Wanted = t.wanted.Load() // after the others, so that what is pending is never negative
	s.Pending = s.Wanted - s.Exported - s.Refused - s.Dropped.Total()
	s.Recorded = f.ring.next.Load() - f.ring.passed.Load()
	return s
}

// Lost counts spans that somebody would have seen: those of Stats().Dropped, but none as long as a provider has not taken a single span. Whether a
// provider wants any is found out by asking it with one, and what was let go meanwhile is nobody's loss.
func (f *Flight) Lost() uint64 {
	if f == nil || f.spans != nil && f.tally.exported.Load() == 0 {
		return 0
	}
	return f.Stats().Dropped.Total()
}

// provider is whose spans an embedding program nests below ours.
func (f *Flight) provider() oteltrace.TracerProvider {
	if f.opt.Provider != nil {
		return f.opt.Provider
	}
	return otel.GetTracerProvider()
}

// titles remembers what is said about transactions, by kind and name.
type titles struct {
	mu sync.RWMutex
	m  map[title]*Query
}

type title struct{ kind, name string }

// maxTitles bounds them: names are meant to be few, and are the caller's.
const maxTitles = 1024

// of describes an operation of a kind and with a name.
func (t *titles) of(kind, name string) *Query {
	t.mu.RLock()
	q := t.m[title{kind, name}]
	t.mu.RUnlock()
	if q != nil {
		return q
	}
	if len(name) > MaxSummary {
		name = strings.ToValidUTF8(name[:MaxSummary], "")
	}
	q = &Query{Summary: spanName(kind, name), Fingerprint: uint64(fnv(14695981039346656037).add(kind).add(name)), attributes: []attribute.KeyValue{keySystem.String(system), keyTxKind.String(kind)}}
	if name != "" {
		q.attributes = append(q.attributes, keyTxName.String(name))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m) >= maxTitles {
		t.m = make(map[title]*Query)
	}
	t.m[title{kind, name}] = q
	return q
}

// transactional reports whether a kind of operation is a transaction of the program's; the others are the engine's own work.
func transactional(kind string) bool {
	switch kind {
	case "update", "view", "batch", "session":
		return true
	}
	return false
}

// spanName is the name of the span of an operation.
func spanName(kind, name string) string {
	switch {
	case name == "":
		return "TRANSACTION"
	case transactional(kind):
		return "TRANSACTION " + name
	}
	return name
}
