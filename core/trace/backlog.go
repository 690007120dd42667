package trace

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Bounds of what waits for export. A record takes about 200 bytes.
const (
	maxQueue    = 8192 // in the order in which they came
	maxUrgent   = 2048 // slow and failed ones, beyond that
	perShape    = 4    // of each fingerprint, beyond that
	maxShapes   = 512  // fingerprints
	maxPromoted = 200  // roots of unsampled callers in a second
)

// backlog holds the records that wait for export. While there is room it is a queue. When export falls behind it keeps what is slow or
// failed, and of each fingerprint a few at random, so that each kind of statement is still seen; whatever it lets go is counted.
type backlog struct {
	tally  *tally
	queue  fifo
	urgent fifo
	shapes map[uint64]*reservoir
	size   int   // records in shapes
	second int64 // of the budget for roots of unsampled callers
	spent  int
}

// reservoir is a fair sample of the records of one fingerprint.
type reservoir struct {
	seen int
	kept []record
}

func (b *backlog) len() int { return b.queue.n + b.urgent.n + b.size }

// push adds a record, or counts it as dropped, or another one in its place.
func (b *backlog) push(rec *record) {
	if rec.wish == wishLinked {
		if second := (rec.start + rec.took) / 1e9; second > b.second || second < b.second-60 { // records come in any order, but not so late: the clock was set back
			b.second, b.spent = second, 0
		}
		if b.spent++; b.spent > maxPromoted {
			b.tally.rate.Add(1)
			return
		}
	}
	switch {
	case b.queue.n < maxQueue:
		b.queue.push(rec)
	case rec.urgent():
		if b.urgent.n >= maxUrgent {
			b.tally.priority.Add(1)
			b.urgent.pop(nil, 1)
		}
		b.urgent.push(rec)
	default:
		b.sample(rec)
	}
}

// sample gives the record the same chance as all others of its fingerprint.
func (b *backlog) sample(rec *record) {
	shape := rec.query.Fingerprint ^ uint64(rec.kind)<<56
	s := b.shapes[shape]
	if s == nil {
		if len(b.shapes) >= maxShapes {
			b.tally.behind.Add(1)
			return
		}
		if b.shapes == nil {
			b.shapes = make(map[uint64]*reservoir)
		}
		s = new(reservoir)
		b.shapes[shape] = s
	}
	s.seen++
	if len(s.kept) < perShape {
		s.kept = append(s.kept, *rec)
		b.size++
		return
	}
	b.tally.behind.Add(1)
	if i := rand.IntN(s.seen); i < perShape {
		s.kept[i] = *rec
	}
}

// take removes up to a batch, the urgent ones first, and orders it by time: parents begin before their children.
func (b *backlog) take(into []record) []record {
	into = b.urgent.pop(into, batchSize-len(into))
	into = b.queue.pop(into, batchSize-len(into))
	for shape, s := range b.shapes {
		if batchSize-len(into) < len(s.kept) {
			break
		}
		into = append(into, s.kept...)
		b.size -= len(s.kept)
		delete(b.shapes, shape)
	}
	slices.SortStableFunc(into, func(x, y record) int {
		return cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(y.tx, x.tx), cmp.Compare(y.kind, x.kind))
	})
	return into
}
