// Package testdb carries what a test replaces inside an engine past its public API: package enginetest puts it into the context that it
// opens a database with, and the root package takes it out. Only this module can name the key, so no program can do so by
// accident, and nothing is kept in variables that tests in parallel would share.
package testdb

import (
	"context"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/clock"
)

type clockKey struct{}

// WithClock returns a context in which an engine is opened on c. nil is the system's clock.
func WithClock(ctx context.Context, c clock.Clock) context.Context {
	return context.WithValue(ctx, clockKey{}, c)
}

// Clock is the clock of WithClock; nil without one.
func Clock(ctx context.Context) clock.Clock {
	c, _ := ctx.Value(clockKey{}).(clock.Clock)
	return c
}

type faultsKey struct{}

// WithFaults returns a context in which an engine is opened whose file calls go past f.
func WithFaults(ctx context.Context, f sqlite.Faults) context.Context {
	return context.WithValue(ctx, faultsKey{}, f)
}

// Faults are those of WithFaults; nil without.
func Faults(ctx context.Context) sqlite.Faults {
	f, _ := ctx.Value(faultsKey{}).(sqlite.Faults)
	return f
}

type freeKey struct{}

// WithFree returns a context in which an engine is opened that asks free how much its file system has left.
func WithFree(ctx context.Context, free func(path string) (bytes int64, known bool)) context.Context {
	return context.WithValue(ctx, freeKey{}, free)
}

// Free is that of WithFree; nil without.
func Free(ctx context.Context) func(path string) (bytes int64, known bool) {
	f, _ := ctx.Value(freeKey{}).(func(string) (int64, bool))
	return f
}
