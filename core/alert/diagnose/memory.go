package diagnose

import (
	"sync"
	"time"
)

const (
	// nowIntervals is how many intervals are kept one by one: an alert that began in one of them is looked at from there on.
	nowIntervals = 60
	// apart is how old an interval must be to count as what is usual: before an alert fires, what it is about has gone on for a while.
	apart = 30
	// pastSpan is what is usual put together in one piece, pastPieces how many of those are kept: a day.
	pastSpan   = time.Hour
	pastPieces = 24
	// enough is how many calls or commits it takes to say what is usual.
	enough = 20
)

// Memory keeps what happened lately, and what is usual. The zero value is empty and ready; it is safe for concurrent use. It takes a few MB at most: 60
// intervals and 24 hours of at most 256 fingerprints each.
type Memory struct {
	mu     sync.Mutex
	recent []*Digest // one an interval, oldest first
	past   []*Digest // an hour each, oldest first
}

// Add adds the interval that has just ended.
func (m *Memory) Add(d *Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recent = append(m.recent, d)
	if len(m.recent) > nowIntervals {
		m.settle(m.recent[0])
		m.recent = m.recent[1:]
	}
}

// settle puts an interval to what is usual.
func (m *Memory) settle(d *Digest) {
	if n := len(m.past); n == 0 || d.At.Sub(m.past[n-1].Begun) >= pastSpan || d.At.Before(m.past[n-1].Begun) {
		m.past = append(m.past, new(Digest))
		m.past = m.past[max(0, len(m.past)-pastPieces):]
	}
	m.past[len(m.past)-1].Then(d)
}

// Around is what happened since a moment, and what was usual before that. Of the intervals that end before the moment those of a while
// before it are in neither where there are enough of others; usual has no intervals where nothing is known of what is usual.
func (m *Memory) Around(since time.Time) (now, usual *Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, usual = new(Digest), new(Digest)
	for _, d := range m.past {
		usual.Then(d)
	}
	before := 0
	for _, d := range m.recent {
		if d.At.Before(since) {
			before++
		}
	}
	before = min(before, len(m.recent)-min(1, len(m.recent))) // at least the latest is now
	settled := before
	if usual.Intervals > 0 || before > 2*apart {
		settled = max(0, before-apart)
	} else if before > 6 {
		settled = before - min(3, before/3)
	}
	for i, d := range m.recent {
		switch {
		case i < settled:
			usual.Then(d)
		case i >= before:
			now.Then(d)
		}
	}
	return now, usual
}

// Intervals is how many are known.
func (m *Memory) Intervals() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.recent)
	for _, d := range m.past {
		n += d.Intervals
	}
	return n
}
