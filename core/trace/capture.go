package trace

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"
)

// Operation is a record of the ring in a readable form. It holds no bound value and no literal. Times are in nanoseconds.
type Operation struct {
	// Kind is statement, transaction, commit, plugin or work (of the engine's own, such as a migration).
	Kind string `json:"kind"`
	// Name is that of its span; Text the SQL with ? for every literal, of a statement.
	Name string `json:"name"`
	Text string `json:"text,omitempty"`
	// Fingerprint is the same for statements of one shape, as in the attribute sqlite.fingerprint.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Start and Took are when and how long.
	Start time.Time     `json:"start"`
	Took  time.Duration `json:"took_ns"`
	// Error is the type of the error that it failed with and Status the store's code; "" where it did not, or has none.
	Error  string `json:"error,omitempty"`
	Status string `json:"status,omitempty"`
	// Slow says that it passed the limit of its class.
	Slow bool `json:"slow,omitempty"`
	// Place, Parentage, Times and Counts tell the rest.
	Place     `json:"place"`
	Parentage `json:"trace"`
	Times     `json:"waits"`
	Counts    `json:"counts"`
	// Events happened meanwhile: retry, busy, lease.
	Events []Happening `json:"events,omitempty"`
}

// Happening is an event of an operation, without its attributes.
type Happening struct {
	// Name says what, At when.
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// Place says where an operation ran and what it belonged to.
type Place struct {
	// Serial numbers the operations of a recorder in the order of their ends.
	Serial uint64 `json:"serial"`
	// Lane and Class are those of a statement, TxKind (update, view, batch, session) and Outcome those of a transaction.
	Lane    string `json:"lane,omitempty"`
	Class   string `json:"class,omitempty"`
	TxKind  string `json:"tx_kind,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Tx is the transaction's number and Group that of the commit group; 0 for none.
	Tx    uint64 `json:"tx,omitempty"`
	Group uint64 `json:"group,omitempty"`
}

// Parentage is the place of an operation in a trace, in hexadecimal digits; "" where there is none.
type Parentage struct {
	// TraceID and ParentID are those of the caller's span; SpanID is the operation's own where it has one: that of a statement is made when it
	// is exported, and known to the exporter only.
	TraceID  string `json:"trace_id,omitempty"`
	ParentID string `json:"parent_id,omitempty"`
	SpanID   string `json:"span_id,omitempty"`
	// Sampled is the caller's decision.
	Sampled bool `json:"sampled"`
}

// Times are the waits of an operation.
type Times struct {
	// Queue is the wait in line, Slot that for a connection, Commit that for the COMMIT of the group, Hold how long a transaction kept its
	// connection, Sync how long a COMMIT took with its sync.
	Queue  time.Duration `json:"queue_ns,omitempty"`
	Slot   time.Duration `json:"slot_ns,omitempty"`
	Commit time.Duration `json:"commit_ns,omitempty"`
	Hold   time.Duration `json:"hold_ns,omitempty"`
	Sync   time.Duration `json:"sync_ns,omitempty"`
	// Plugins is the time that plug-ins took of it.
	Plugins time.Duration `json:"plugins_ns,omitempty"`
}

// Counts are what an operation did.
type Counts struct {
	// Returned and Changed are rows; Steps and FullScanSteps are what the store counted.
	Returned      int64 `json:"returned,omitempty"`
	Changed       int64 `json:"changed,omitempty"`
	Steps         int64 `json:"vm_steps,omitempty"`
	FullScanSteps int64 `json:"fullscan_steps,omitempty"`
	// Statements are those of a transaction, Size is that of a batch or of a commit group, Retries the runs before this one.
	Statements int64 `json:"statements,omitempty"`
	Size       int64 `json:"size,omitempty"`
	Retries    int64 `json:"retries,omitempty"`
}

// Last yields the operations in the ring that ended within d, oldest first; 0 means all. It copies one record at a time: recording goes on,
// and what is overwritten meanwhile is left out.
func (f *Flight) Last(d time.Duration) iter.Seq[Operation] {
	return func(yield func(Operation) bool) {
		if f == nil {
			return
		}
		since := int64(0)
		if d > 0 {
			since = time.Now().Add(-d).UnixNano()
		}
		newest := f.ring.next.Load()
		var r record
		for n := newest - min(newest, f.ring.size) + 1; n <= newest; n++ {
			if f.ring.at(n).copyTo(n, &r) && r.start+r.took >= since && !yield(f.operation(&r)) {
				return
			}
		}
	}
}

// operation gives a record its readable form.
func (f *Flight) operation(r *record) Operation {
	n, w := &f.names, r.waits()
	o := Operation{Kind: r.kind.String(), Name: r.query.name(), Text: r.query.Text, Start: r.began(), Took: time.Duration(r.took),
		Error: n.errType.name(r.errType), Status: n.status.name(r.status), Slow: r.flags&flagSlow != 0,
		Place: Place{Serial: r.serial, Tx: r.tx, Group: r.group, Outcome: n.outcome.name(r.outcome)},
		Times: Times{Queue: w.QueueWait, Slot: w.SlotWait, Commit: w.CommitWait, Plugins: time.Duration(r.plugTime)}, Counts: Counts{Retries: int64(r.retries), Size: int64(r.batch)}}
	switch r.kind {
	case opStatement:
		o.Fingerprint = strconv.FormatUint(r.query.Fingerprint, 16)
		o.Lane, o.Class = n.lane.name(r.lane), n.class.name(r.class)
		o.Returned, o.Changed, o.Steps, o.FullScanSteps = r.rows, r.changed, r.steps, r.scanned
	case opTransaction, opOther:
		o.Hold, o.Statements, o.TxKind = time.Duration(r.steps), r.rows, n.kind.name(r.lane)
	case opCommit:
		o.Slot, o.Sync = 0, w.SlotWait
	}
	o.Parentage = parentage(r)
	if r.extra != nil {
		for _, e := range r.extra.events {
			o.Events = append(o.Events, Happening{e.Name, e.At})
		}
	}
	return o
}

func parentage(r *record) (p Parentage) {
	p.Sampled = r.flags&flagSampled != 0
	if r.trace.IsValid() {
		p.TraceID = r.trace.String()
	}
	if r.parent.IsValid() {
		p.ParentID = r.parent.String()
	}
	if r.own != (oteltrace.SpanID{}) {
		p.SpanID = r.own.String()
	}
	return p
}

// String is the kind as a person reads it.
func (k opKind) String() string {
	return [...]string{"statement", "transaction", "commit", "plugin", "work"}[k]
}

// Tree orders operations for reading: each transaction is followed by its statements, and all of it by time.
func Tree(ops []Operation) []Operation {
	first := map[uint64]time.Time{}
	for i := range ops {
		if o := &ops[i]; o.Tx != 0 && o.Kind != "statement" {
			first[o.Tx] = o.Start
		}
	}
	begin := func(o *Operation) time.Time {
		if at, ok := first[o.Tx]; ok && o.Tx != 0 {
			return at
		}
		return o.Start
	}
	out := slices.Clone(ops)
	slices.SortStableFunc(out, func(a, b Operation) int {
		return cmp.Or(begin(&a).Compare(begin(&b)), cmp.Compare(a.Tx, b.Tx), cmp.Compare(b.Kind, a.Kind), a.Start.Compare(b.Start))
	})
	return out
}
