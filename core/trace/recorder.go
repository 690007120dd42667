package trace

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Recorder is where statements and transactions are reported. The engine knows nothing else of tracing, so a flight recorder, a test or
// a recorder that feeds several others takes this interface. Implementations are safe for concurrent use.
type Recorder interface {
	// Statement reports a statement that has ended. The span in ctx is its parent. It must not keep s.
	Statement(ctx context.Context, s *Statement)
	// StartTx reports the begin of a transaction. The returned context carries its span: statements and the caller's own spans nest
	// under it. The name is the caller's and may be empty; kind is the engine's: update, view, batch, session.
	StartTx(ctx context.Context, name, kind string) (context.Context, TxSpan)
	// StartCommit reports the begin of the COMMIT that a group of transactions shares. A span has one parent, so ctx is that of one
	// member, best the first for which [Sampled] is true; the others get a link by way of [TxEnd.Commit]. The function ends the span,
	// and is never nil.
	StartCommit(ctx context.Context, group uint64) (oteltrace.SpanContext, func(CommitEnd))
}

// TxSpan is an open transaction. Its methods may be called from any goroutine; after End they do nothing.
type TxSpan interface {
	// Recording reports whether anything said about the transaction is kept. Where it is false, building attributes is lost work.
	Recording() bool
	// Serial is its number, for [Statement.Tx]; 0 where nothing of it is kept.
	Serial() uint64
	// Context identifies the span for links from others; it is not valid when there is no span.
	Context() oteltrace.SpanContext
	// Event notes something that happened at this moment, such as a retry.
	Event(name string, attributes ...attribute.KeyValue)
	// Link ties the transaction to another span, such as the one that held the writer; reason says why.
	Link(to oteltrace.SpanContext, reason string)
	// End closes the span.
	End(TxEnd)
}

// TxEnd is how a transaction ended. Zero fields mean "none".
type TxEnd struct {
	// Err is what its caller got; nil on success.
	Err error
	// Outcome says what became of the changes: committed, rolled_back, unknown.
	Outcome string
	// Statements counts the statements it ran, Retries the runs before this one.
	Statements, Retries int
	// Group is the commit group, GroupSize the number of transactions in it.
	Group     uint64
	GroupSize int
	// QueueWait is the time until the transaction got its connection, Hold the time it held it, CommitWait the time from the end of its
	// work to the acknowledgement.
	QueueWait, Hold, CommitWait time.Duration
	// PluginCalls counts the calls of plug-ins, PluginTime is the time in them.
	PluginCalls int64
	PluginTime  time.Duration
	// Commit is the span of the COMMIT that the group shared.
	Commit oteltrace.SpanContext
}

// CommitEnd is how a group's COMMIT ended.
type CommitEnd struct {
	// Err is nil on success.
	Err error
	// Size is the number of transactions in the group.
	Size int
	// Durable says whether the log was synced; Sync is how long that took.
	Durable bool
	Sync    time.Duration
}

// Sampled reports whether the span in ctx is sampled, so that spans below it will be kept. It costs one lookup in the context.
func Sampled(ctx context.Context) bool { return oteltrace.SpanContextFromContext(ctx).IsSampled() }
