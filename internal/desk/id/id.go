// Package id makes the 64-bit identifiers of the trading tables.
//
// An id is 41 bits of milliseconds since 2020, 10 bits of node and 12 bits of
// sequence. It is the row id of its table, so rows lie in the order of time and
// "id >= Floor(t)" is the time index.
package id

import (
	"fmt"
	"sync/atomic"
	"time"
)

const (
	nodeBits = 10
	seqBits  = 12
	// MaxNode is the highest node number.
	MaxNode = 1<<nodeBits - 1
)

// epochMS is 2020-01-01T00:00:00Z.
const epochMS = 1577836800000

// Generator makes ids that only rise, also when its clock steps back. It is
// safe for concurrent use. Use [New].
type Generator struct {
	node  int64
	clock func() time.Time
	last  atomic.Int64 // ms << seqBits | sequence
}

// New returns the generator of a node, which no other process that writes the
// same database may use at the same time. A nil clock is time.Now.
func New(node int, clock func() time.Time) (*Generator, error) {
	if node < 0 || node > MaxNode {
		return nil, fmt.Errorf("id: node %d is out of range; choose 0 to %d", node, MaxNode)
	}
	if clock == nil {
		clock = time.Now
	}
	return &Generator{node: int64(node), clock: clock}, nil
}

// Next returns an id greater than every one before. The 4,097th id of a
// millisecond borrows from the next: waiting for the clock would stall the desk
// in a burst.
func (g *Generator) Next() int64 {
	now := (g.clock().UnixMilli() - epochMS) << seqBits
	for {
		last := g.last.Load()
		next := max(last+1, now)
		if g.last.CompareAndSwap(last, next) {
			return next>>seqBits<<(nodeBits+seqBits) | g.node<<seqBits | next&(1<<seqBits-1)
		}
	}
}

// SkipPast makes every later id greater than id, whatever its node: for a
// database that holds ids from a clock that was ahead.
func (g *Generator) SkipPast(id int64) {
	floor := (id>>(nodeBits+seqBits) + 1) << seqBits
	for {
		last := g.last.Load()
		if last >= floor-1 || g.last.CompareAndSwap(last, floor-1) {
			return
		}
	}
}

// Floor returns the lowest id that can carry the time t.
func Floor(t time.Time) int64 { return (t.UnixMilli() - epochMS) << (nodeBits + seqBits) }

// Time returns the time an id carries, to the millisecond.
func Time(id int64) time.Time { return time.UnixMilli(id>>(nodeBits+seqBits) + epochMS) }
