package engine

import (
	"time"

	"github.com/tidegate/engine/core/lane"
)

// Class is what a call is for. It decides whose turn it is when calls wait: Trade before Signal before Normal before
// Analytics before Maintenance, with a share for the low ones so that they never starve; and which lane reads.
type Class = lane.Class

// The classes. ClassNormal is the zero value.
const (
	ClassNormal      = lane.Normal
	ClassTrade       = lane.Trade
	ClassSignal      = lane.Signal
	ClassAnalytics   = lane.Analytics
	ClassMaintenance = lane.Maintenance
)

// Durability is what a commit survives.
type Durability uint8

const (
	// Durable commits survive power loss: they are acknowledged after fsync. It is the zero value.
	Durable Durability = iota
	// Relaxed commits survive the death of the process, and a power loss may take the last of them back (never part
	// of one). For ticks and metrics.
	Relaxed
)

// Option changes one call. Options of Query, QueryRow and Exec are passed among the arguments, in any place.
type Option func(*callOptions)

type callOptions struct {
	class      Class
	durability Durability
	chosen     bool // durability was asked for
	timeout    time.Duration
	bounded    bool // timeout was asked for
	hold       time.Duration
	name       string
	tenant     string
	replayable bool
	runOnce    bool
	key        *keyOption
	already    *bool
}

// WithClass says what the call is for.
func WithClass(c Class) Option { return func(o *callOptions) { o.class = c } }

// WithDurability says what the commit must survive; without it, Config.Writer.Durability holds.
func WithDurability(d Durability) Option {
	return func(o *callOptions) { o.durability, o.chosen = d, true }
}

// WithTimeout bounds the call, waiting included. The context's own deadline still holds. Zero or less means that the time is
// up already, as with [context.WithTimeout].
func WithTimeout(d time.Duration) Option {
	return func(o *callOptions) { o.timeout, o.bounded = d, true }
}

// WithName names the transaction in spans, errors and alerts. It must not hold user data.
func WithName(name string) Option { return func(o *callOptions) { o.name = name } }

// Tenant says on whose behalf the call is made: a desk, a strategy, a user, a program. Where calls of one class have to wait, tenants
// take turns, so that one who asks for too much waits for itself; and [Config.Tenants] bounds what each may have. Calls without it are
// one tenant, which nothing bounds. The name appears in no span and no error.
func Tenant(name string) Option { return func(o *callOptions) { o.tenant = name } }

// HoldFor lets an Update keep the writer for d instead of Config.Writer.Hold. Everybody else waits meanwhile: for bulk
// loads at quiet hours.
func HoldFor(d time.Duration) Option { return func(o *callOptions) { o.hold = d } }

// Replayable says that the closure of an Update may be run a second time from its start, because it has no effect
// outside the transaction. The engine does so at most once, when the first run was lost through no fault of its own.
func Replayable() Option { return func(o *callOptions) { o.replayable = true } }

// RunOnce makes the transaction the last of its group: COMMIT follows it at once, so that no later transaction can
// delay it or take it along.
func RunOnce() Option { return func(o *callOptions) { o.runOnce = true } }
