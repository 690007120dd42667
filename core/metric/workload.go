package metric

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/internal/histogram"
)

// Workload measures statements, transactions and commits as they end. The zero value is ready. It is safe for concurrent use.
type Workload struct {
	durations    [len(classes)][len(operations)]timings
	rows, steps  [len(classes)]histogram.Histogram
	waits        [len(pools)]histogram.Histogram
	writerWait   histogram.Histogram
	writerHold   histogram.Histogram
	commits      [2]histogram.Histogram // relaxed, durable
	groups       histogram.Histogram
	errors       tally
	transactions tally
	retries      atomic.Uint64
}

// The values of labels that are known beforehand; the last operation stands for all others, and the first class.
var (
	classes    = [...]string{"normal", "trade", "signal", "analytics", "maintenance"}
	operations = [...]string{"SELECT", "INSERT", "UPDATE", "DELETE", "other"}
	pools      = [...]string{"reader", "analytics", "maintenance"}
)

// Statement is what is measured of a statement that has ended.
type Statement struct {
	Lane, Class, Operation string
	Start                  time.Time
	Duration, Wait         time.Duration
	Rows, Steps            int64
	// InTransaction is true where there is no wait to measure, or it is that of a transaction, which reports it itself.
	InTransaction bool
	// Error is the type of its error; "" where it had none.
	Error string
}

// Statement measures a statement; ctx carries the span that it belongs to. It takes no lock that is waited for, and allocates nothing but for
// the first values of their size.
func (w *Workload) Statement(ctx context.Context, s *Statement) {
	class := find(classes[:], s.Class, 0)
	w.durations[class][find(operations[:], s.Operation, len(operations)-1)].add(ctx, s)
	w.steps[class].Add(s.Steps)
	if s.Operation == "SELECT" || s.Rows > 0 {
		w.rows[class].Add(s.Rows)
	}
	if !s.InTransaction {
		w.wait(s.Lane, s.Wait)
	}
	if s.Error != "" {
		w.errors.add(s.Error, "")
	}
}

func (w *Workload) wait(lane string, d time.Duration) {
	if lane == "writer" {
		w.writerWait.Add(int64(d))
		return
	}
	w.waits[find(pools[:], lane, 0)].Add(int64(d))
}

// Transaction measures a transaction of a caller that has ended.
func (w *Workload) Transaction(kind, outcome string, wait, hold time.Duration, retries int) {
	w.transactions.add(kind, outcome)
	w.retries.Add(uint64(retries))
	if kind == "view" {
		if wait > 0 {
			w.wait(pools[0], wait)
		}
		return
	}
	w.writerWait.Add(int64(wait))
	w.writerHold.Add(int64(hold))
}

// Commit measures a COMMIT that has ended well.
func (w *Workload) Commit(size int, durable bool, took time.Duration) {
	i := 0
	if durable {
		i = 1
	}
	w.commits[i].Add(int64(took))
	w.groups.Add(int64(size))
}

// find returns the place of a name, or other where it is not there.
func find(names []string, name string, other int) int {
	for i := range names {
		if names[i] == name {
			return i
		}
	}
	return other
}

// Gather adds the readings of what was measured. Series that nothing has happened in are left out.
func (w *Workload) Gather(add func(Reading)) {
	distribution := func(id ID, h *histogram.Histogram, labels ...string) {
		if s := h.Snapshot(); s.Count > 0 {
			add(Reading{ID: id, Labels: Labels(labels...), Histogram: s})
		}
	}
	for c, class := range classes {
		for o, operation := range operations {
			t := &w.durations[c][o]
			if s := t.Snapshot(); s.Count > 0 {
				add(Reading{ID: OperationDuration, Histogram: s, Exemplars: t.exemplars(),
					Labels: Labels("db.operation.name", operation, "db.system.name", "sqlite", "engine.class", class)})
			}
		}
		distribution(ReturnedRows, &w.rows[c], "db.system.name", "sqlite", "engine.class", class)
		distribution(VMSteps, &w.steps[c], "engine.class", class)
	}
	for i, pool := range pools {
		distribution(ConnectionWait, &w.waits[i], "db.client.connection.pool.name", pool)
	}
	distribution(WriterWait, &w.writerWait)
	distribution(WriterHold, &w.writerHold)
	distribution(CommitDuration, &w.commits[0], "engine.durable", "false")
	distribution(CommitDuration, &w.commits[1], "engine.durable", "true")
	distribution(GroupSize, &w.groups)
	w.errors.each(func(name, _ string, n uint64) {
		add(Reading{ID: Errors, Labels: Labels("error.type", name), Value: float64(n)})
	})
	w.transactions.each(func(kind, outcome string, n uint64) {
		add(Reading{ID: Transactions, Labels: Labels("engine.tx.kind", kind, "engine.tx.outcome", outcome), Value: float64(n)})
	})
	add(Reading{ID: TransactionRetries, Value: float64(w.retries.Load())})
}

// exemplarFrom is the shortest time whose trace is kept as an exemplar: looking for the trace of every statement would cost more than all
// the rest, and nobody looks for the trace of a fast one.
const exemplarFrom = time.Millisecond

// timings are durations with the latest traces of the slow ones, one for each power of two.
type timings struct {
	histogram.Histogram
	mu     sync.Mutex
	traces [8]sighting
}

type sighting struct {
	trace oteltrace.TraceID
	took  time.Duration
	at    time.Time
}

func (t *timings) add(ctx context.Context, s *Statement) {
	t.Add(int64(s.Duration))
	if s.Duration < exemplarFrom {
		return
	}
	span := oteltrace.SpanContextFromContext(ctx)
	if !span.IsSampled() || !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	t.traces[min(bits.Len64(uint64(s.Duration/exemplarFrom))-1, len(t.traces)-1)] = sighting{span.TraceID(), s.Duration, s.Start.Add(s.Duration)}
}

func (t *timings) exemplars() []Exemplar {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Exemplar
	for _, s := range t.traces {
		if s.trace.IsValid() {
			out = append(out, Exemplar{Value: s.took.Seconds(), Trace: s.trace.String(), At: s.at})
		}
	}
	return out
}
