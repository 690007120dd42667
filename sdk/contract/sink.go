package contract

import (
	"context"
	"time"

	"github.com/tidegate/engine/sdk"
)

// Sink passes alerts on. It is safe for concurrent use.
type Sink interface {
	// Identity says who does.
	Identity() Identity
	// Notify hands alerts over, at the instant of the call. The records of the outcome say which are to be tried again (abi.Retry, after Aux seconds) and
	// which are given up (abi.Drop); those without one are delivered, as far as the sink is concerned: what it has posted to the outbox of the
	// context still has to arrive.
	//
	// # Errors
	//
	// One that matches ErrFault or ErrQuarantined, or the context's error. The alerts are then tried again.
	Notify(ctx context.Context, alerts []sdk.Alert, at time.Time) (Outcome, error)
}

// Outbox takes the messages that a sink makes of alerts. It is in the context of Notify.
type Outbox interface {
	// Post takes a message, as sdk.Post encodes it, for an endpoint by its name. ok is false where there is no such endpoint, or too many messages.
	Post(ctx context.Context, endpoint string, message []byte) (ok bool, err error)
}

type outboxKey struct{}

// WithOutbox returns a context that carries o.
func WithOutbox(ctx context.Context, o Outbox) context.Context {
	return context.WithValue(ctx, outboxKey{}, o)
}

// OutboxFrom returns the outbox of a context; nil where there is none.
func OutboxFrom(ctx context.Context) Outbox {
	o, _ := ctx.Value(outboxKey{}).(Outbox)
	return o
}
