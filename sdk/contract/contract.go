// Package contract is what an engine and a host of plug-ins agree on: which rules there are, what they are asked and what they answer. A
// host gives the engine a [Source]; the engine knows nothing of modules, manifests or transports, and a host knows nothing of transactions.
// Authors of plug-ins need package sdk instead.
package contract

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/engine/sdk/abi"
)

// Moment is when a rule is asked.
type Moment uint8

// The moments.
const (
	// AtStatement is after each statement, about the rows that it left changed.
	AtStatement Moment = iota
	// AtCommit is once a transaction, ahead of its end, about the rows that differ from what they were when it began.
	AtCommit
)

// String is the name that manifests use.
func (m Moment) String() string {
	if m == AtCommit {
		return "commit"
	}
	return "statement"
}

// Ops is a set of operations.
type Ops uint8

// The operations that a rule can watch.
const (
	OnInsert Ops = 1 << iota
	OnUpdate
	OnDelete
)

// Has reports whether op is in the set.
func (o Ops) Has(op Ops) bool { return o&op != 0 }

// Rule is one hook of a validator. It is a value; nobody changes it once it was handed out.
type Rule struct {
	// Table is the watched table of the main schema; letter case does not count.
	Table string
	// Ops are the operations that it watches; 0 watches nothing.
	Ops Ops
	// Columns are what a batch holds, in this order. A virtual generated column cannot be among them.
	Columns []string
	// When is the moment.
	When Moment
	// Schema is the schema_id of its batches.
	Schema uint32
	// Allow lets rows pass, counted and told, when the validator itself fails. False refuses them.
	Allow bool
	// Shadow asks and tells, but refuses nothing.
	Shadow bool
	// Validator is whom to ask.
	Validator Validator
}

// Identity says exactly what code judged, for receipts.
type Identity struct {
	// Name and Version are those of the manifest.
	Name, Version string
	// Module and Config are the SHA-256 of the module as it was signed and of the configuration document, in hexadecimal digits; "" where there is none.
	Module, Config string
}

// Outcome is what one call gave.
type Outcome struct {
	// Verdicts are in the order in which the plug-in gave them; nil means that it had nothing to say. Rows without one are accepted.
	Verdicts []abi.Record
	// Fuel is what the call burnt; 0 where the transport does not count.
	Fuel int64
	// Pages is the size of the guest's memory in pages of 64 KiB after the call; 0 where there is none.
	Pages uint32
	// Elapsed is how long the call took, with the time in the queue of the pool in Waited.
	Elapsed, Waited time.Duration
}

// Validator judges batches. It is safe for concurrent use.
type Validator interface {
	// Identity says who judges.
	Identity() Identity
	// Validate asks about the rows of a batch, at the instant of the batch.
	//
	// # Errors
	//
	// One that matches ErrFault or ErrQuarantined, or the context's error when the caller gave up, which is nobody's fault. The rows are then
	// neither accepted nor rejected: the caller fails closed.
	Validate(ctx context.Context, b *abi.Batch, at time.Time) (Outcome, error)
}

// Sentinels of hosts.
var (
	// ErrFault says that a plug-in failed.
	ErrFault = errors.New("a plug-in failed")
	// ErrQuarantined says that a plug-in is out of service after too many faults, until an operator acts.
	ErrQuarantined = errors.New("a plug-in is quarantined")
)

// Rules are the rules in force at some moment. The zero value has none.
type Rules struct {
	// Generation grows whenever the rules change: by a load, a reload, a quarantine.
	Generation uint64
	// List must not be changed.
	List []Rule
	// Release says that nobody will ask them any more, so that a version that was replaced can be closed; it is called once. Nil needs no word.
	Release func()
}

// Source tells which rules are in force. It is safe for concurrent use.
type Source interface {
	// Acquire returns the rules of now. They can be asked until they are released, whatever is loaded meanwhile. It is called for each
	// transaction, so it must cost next to nothing.
	Acquire() Rules
}

// Ailing is a Source that can tell which of its validators are out of service.
type Ailing interface {
	// Quarantined lists them.
	Quarantined() []Identity
}

// Store is what a validator may ask of the transaction that is judged. It is in the context of Validate.
type Store interface {
	// Query runs one statement that only reads, inside the transaction, with the first row of args as its arguments, and returns an encoded
	// batch (op scan) of at most most rows, which says where there are more (abi.Rows.Partial). It ends with ctx.
	Query(ctx context.Context, sql string, args abi.Rows, most int) ([]byte, error)
}

type storeKey struct{}

// WithStore returns a context that carries s.
func WithStore(ctx context.Context, s Store) context.Context {
	return context.WithValue(ctx, storeKey{}, s)
}

// StoreFrom returns the store of a context; nil where there is none.
func StoreFrom(ctx context.Context) Store {
	s, _ := ctx.Value(storeKey{}).(Store)
	return s
}
