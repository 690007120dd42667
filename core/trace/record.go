package trace

import (
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"
)

// opKind says what a record is about.
type opKind uint8

const (
	opStatement opKind = iota
	opTransaction
	opCommit
	opPlugin
	opOther // the engine's own work: a migration, a backup, …
)

// wish says whether and how a record becomes a span later.
type wish uint8

const (
	wishNone   wish = iota
	wishSpan        // below its parent, or as a root where it has none
	wishLinked      // as a root with a link to the caller's span, which is not sampled: a child of it would be lost
)

// record is one operation, as it leaves the ring.
type record struct {
	query *Query
	side
	entry
}

// side is what few records have.
type side struct {
	extra *extra // events and links
	state oteltrace.TraceState
}

// entry is what the ring keeps of an operation in one piece. It holds no pointer: the garbage collector would follow those of 64k entries in
// each of its rounds, and that cost more than all the rest of a record. Waits are whole microseconds, which is what spans show.
type entry struct {
	serial      uint64
	start, took int64 // Unix nanoseconds, nanoseconds
	standing
	figures
	waited
	bytecodes
}

// standing is where in a trace an operation stands.
type standing struct {
	trace       oteltrace.TraceID
	parent, own oteltrace.SpanID // own is zero where the span is still to be made
}

// figures are what an operation did.
type figures struct {
	group, tx   uint64
	rows        int64 // returned; of a transaction its statements
	changed     int64
	steps       int64 // of the virtual machine; of a transaction the nanoseconds that it held its connection
	scanned     int64
	plugTime    int64 // nanoseconds in plug-ins
	plugCalls   uint32
	sorts       uint32
	autoIndexes uint32
	reprepares  uint32
	batch       uint32 // parameter sets; of a transaction or COMMIT the size of its group; of a plug-in call its rows
}

// waited is how long an operation waited, in µs, and how often it was run before.
type waited struct {
	queue   uint32
	slot    uint32 // of a COMMIT the time of the sync
	commit  uint32
	retries uint16
}

// bytecodes are what a byte can say.
type bytecodes struct {
	kind    opKind
	wish    wish
	lane    uint8 // of a transaction its kind
	class   uint8
	outcome uint8
	errType uint8
	status  uint8
	flags   uint8
}

// Flags of a record.
const (
	flagSampled uint8 = 1 << iota // the parent's
	flagRemote                    // the parent came from another process
	flagSlow
	flagDurable
	flagNoParent // the operation has none, though it has a trace
	flagDropped  // the provider's sampler has said no to it already
	flagSide     // it has a side
)

// extra is what few records have. Nobody changes it once the record is in the ring.
type extra struct {
	events     []Event
	links      []Link
	attributes []Attribute
}

// Event is something that happened during an operation.
type Event struct {
	// Name says what: engine.retry, engine.busy, engine.lease and their like.
	Name string
	// At is when.
	At time.Time
	// Attributes say more; never a bound value.
	Attributes []Attribute
}

// Link ties an operation to a span that is not its parent.
type Link struct {
	// To is the other span.
	To oteltrace.SpanContext
	// Reason says why: commit, busy, caller.
	Reason string
}

// inherit takes the parent's context.
func (p place) inherit(parent oteltrace.SpanContext) {
	p.trace, p.parent = parent.TraceID(), parent.SpanID()
	if parent.IsSampled() {
		p.flags |= flagSampled
		p.keepState(parent.TraceState()) // only spans that are made need it
	}
	if parent.IsRemote() {
		p.flags |= flagRemote
	}
}

// above is the context of the parent; not valid where there is none.
func (r *record) above() oteltrace.SpanContext {
	if r.flags&flagNoParent != 0 {
		return oteltrace.SpanContext{}
	}
	return oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: r.trace, SpanID: r.parent, TraceState: r.state,
		TraceFlags: oteltrace.TraceFlags(0).WithSampled(r.flags&flagSampled != 0), Remote: r.flags&flagRemote != 0})
}

// self is the context of the operation's own span, where it has one already.
func (r *record) self() oteltrace.SpanContext {
	return oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: r.trace, SpanID: r.own, TraceState: r.state,
		TraceFlags: oteltrace.TraceFlags(0).WithSampled(r.flags&flagSampled != 0)})
}

func (r *entry) began() time.Time { return time.Unix(0, r.start) }
func (r *entry) ended() time.Time { return time.Unix(0, r.start+r.took) }
func (r *entry) failed() bool     { return r.errType != 0 }
func (r *entry) urgent() bool     { return r.failed() || r.flags&flagSlow != 0 }

// micros makes a wait fit its field.
func micros(d time.Duration) uint32 { return uint32(min(max(0, d.Microseconds()), 1<<32-1)) }

func count32(n int64) uint32 { return uint32(min(max(0, n), 1<<32-1)) }
