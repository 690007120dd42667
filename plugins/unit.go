package plugins

import (
	"context"
	"time"

	"github.com/tidegate/engine/sdk/abi"
	"github.com/tidegate/engine/sdk/contract"
)

// Hook is what a plug-in is asked to do.
type Hook uint8

// The hooks.
const (
	HookValidate Hook = 1 + iota
	HookRetain
	HookNotify
)

// String is the name that manifests use.
func (h Hook) String() string {
	switch h {
	case HookValidate:
		return "validate"
	case HookRetain:
		return "retain"
	case HookNotify:
		return "notify"
	}
	return "unknown"
}

// Verdict is what a rule says of a row, or a policy or a sink of its. Rows without one are accepted, kept, delivered.
type Verdict = abi.Record

// Outcome is what one call gave.
type Outcome = contract.Outcome

// Identity says exactly what code judged, for receipts.
type Identity = contract.Identity

// Validator judges batches. Errors of plug-ins are a *Fault, a *QuarantineError, or the context's error when the caller gave up.
type Validator = contract.Validator

// Source is what a host loads.
type Source struct {
	// Manifest describes the plug-in; it has been checked.
	Manifest *Manifest
	// Module is the code. A transport that runs files gets its path from the manifest instead.
	Module []byte
	// Config is the configuration document of the ABI.
	Config []byte
}

// Host turns a source into a unit that can be called: wasm.Host, process.Host. It is safe for concurrent use.
type Host interface {
	// Load compiles and starts a plug-in, and leaves nothing running when it fails with a *Fault.
	Load(ctx context.Context, s Source) (Unit, error)
}

// Unit is one loaded version of a plug-in. It is safe for concurrent use.
type Unit interface {
	// Call runs a hook on a batch; errors are those of Validator.Validate.
	Call(ctx context.Context, h Hook, b *abi.Batch, at time.Time) (Outcome, error)
	// Close ends the unit once the calls under way are over; later calls fail.
	Close() error
}

// Services is what plug-ins may ask of the engine, each only where the manifest grants it. A nil service refuses (abi.StatusRefused). The context is that of the
// call, so that a service finds the transaction that is judged.
type Services struct {
	// Log takes lines; nil drops them.
	Log Logger
	// Metrics adds to counters.
	Metrics Metrics
	// Lookup answers the queries that the manifest declares.
	Lookup Lookup
	// KV keeps values.
	KV KV
	// Outbox delivers messages after the commit.
	Outbox Outbox
}

// Logger takes what a plug-in logs. level is one of abi.LevelDebug … abi.LevelError; text is valid UTF-8 without control characters.
type Logger interface {
	Log(ctx context.Context, plugin string, level uint32, text string)
}

// Metrics adds to a counter of a plug-in.
type Metrics interface {
	Add(ctx context.Context, plugin, name string, delta float64)
}

// Lookup runs a query of the manifest and returns an encoded batch.
type Lookup interface {
	Lookup(ctx context.Context, plugin string, query int, args abi.Rows) ([]byte, error)
}

// KV keeps values of a plug-in. ok is false where there is none, or where a quota refuses.
type KV interface {
	Get(ctx context.Context, plugin, key string) (value []byte, ok bool, err error)
	Put(ctx context.Context, plugin, key string, value []byte) (ok bool, err error)
	Delete(ctx context.Context, plugin, key string) error
}

// Outbox takes messages for endpoints that an operator allowed; ok is false for others and over a quota.
type Outbox interface {
	Put(ctx context.Context, plugin, endpoint string, body []byte) (ok bool, err error)
}
