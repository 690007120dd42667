package server

import (
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// classes maps the names that requests use.
var classes = map[string]engine.Class{
	"trade": engine.ClassTrade, "signal": engine.ClassSignal, "normal": engine.ClassNormal,
	"analytics": engine.ClassAnalytics, "maintenance": engine.ClassMaintenance,
}

// gates bound what is under way, for each class on its own: slow readers of one class fill its places and nobody else's.
type gates struct {
	requests, streams map[engine.Class]chan struct{}
}

func newGates(limits config.ServerLimits) gates {
	g := gates{requests: map[engine.Class]chan struct{}{}, streams: map[engine.Class]chan struct{}{}}
	for _, c := range classes {
		g.requests[c] = make(chan struct{}, limits.Requests)
		g.streams[c] = make(chan struct{}, limits.Streams)
	}
	return g
}

// retrySoon is when a place may be free again.
const retrySoon = 100 * time.Millisecond

// enter takes a place, and does not wait for one: who waits here would hold a connection and a body in memory.
func enter(places chan struct{}, what string) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, &failure{status: 503, kind: "overloaded", message: what, retryAfter: retrySoon}
	}
}
