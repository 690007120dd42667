package deliver

import (
	"slices"
	"sync"
	"time"

	"github.com/tidegate/engine/core/alert"
)

// memory keeps letters where there is no file, and those that a file does not take. It is safe for concurrent use.
type memory struct {
	mu     sync.Mutex
	last   int64
	wait   []*Letter // in their order
	ended  []*Letter // dead ones, oldest first
	begun  []*Letter // arrived, and the alert is not over
	told   map[mark]bool
	recent []mark // of told, oldest first
}

// mark is what is told once.
type mark struct {
	place
	firing bool
}

func newMemory() *memory { return &memory{told: map[mark]bool{}} }

// add is shelf.add.
func (m *memory) add(sink string, a alert.Alert, now time.Time, most int) (over int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := mark{place{sink, a.ID}, a.Firing}
	if m.told[t] {
		return 0
	}
	m.told[t] = true
	if m.recent = append(m.recent, t); len(m.recent) > keptDelivered {
		delete(m.told, m.recent[0])
		m.recent = m.recent[1:]
	}
	if !a.Firing {
		m.begun = slices.DeleteFunc(m.begun, func(l *Letter) bool { return l.place() == t.place })
	}
	m.last--
	m.wait = append(m.wait, &Letter{ID: m.last, Sink: sink, Alert: finite(a), Queued: now, Next: now})
	first, n := -1, 0
	for i, l := range m.wait {
		if l.Sink == sink {
			if n++; first < 0 {
				first = i
			}
		}
	}
	if n <= most {
		return 0
	}
	l := m.wait[first]
	m.wait = slices.Delete(m.wait, first, first+1)
	l.Ended, l.Reason = now, "too many were waiting"
	m.bury(l)
	return 1
}

func (m *memory) bury(l *Letter) {
	if m.ended = append(m.ended, l); len(m.ended) > keptDead {
		m.ended = m.ended[1:]
	}
}

// waiting is shelf.waiting.
func (m *memory) waiting(sink string) []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[place]bool{}
	var out []Letter
	for _, l := range m.wait {
		if l.Sink == sink && !seen[l.place()] {
			seen[l.place()] = true
			out = append(out, *l)
		}
	}
	slices.SortStableFunc(out, func(a, b Letter) int { return a.Next.Compare(b.Next) })
	return out
}

// settle is shelf.settle. A letter that has become a dead one meanwhile stays that.
func (m *memory) settle(l *Letter, state int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.wait, func(o *Letter) bool { return o.ID == l.ID })
	if i < 0 {
		return
	}
	copied := *l
	if state == pending {
		m.wait[i] = &copied
		return
	}
	m.wait = slices.Delete(m.wait, i, i+1)
	switch over := m.told[mark{l.place(), false}]; {
	case state == dead:
		m.bury(&copied)
	case l.Alert.Firing && !over:
		m.begun = append(m.begun, &copied)
	}
}

// firing is shelf.firing.
func (m *memory) firing(sink string) []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return values(m.begun, func(l *Letter) bool { return l.Sink == sink })
}

// dead is shelf.dead.
func (m *memory) dead(limit int) []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := values(m.ended, func(*Letter) bool { return true })
	slices.Reverse(out)
	return out[:min(limit, len(out))]
}

// revive is shelf.revive.
func (m *memory) revive(id int64, now time.Time) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = slices.DeleteFunc(m.ended, func(l *Letter) bool {
		if id != 0 && l.ID != id {
			return false
		}
		l.Ended, l.Attempts, l.Queued, l.Next = time.Time{}, 0, now, now
		m.wait = append(m.wait, l)
		if p := l.place(); l.Alert.Firing && m.told[mark{p, false}] && !slices.ContainsFunc(m.wait, func(o *Letter) bool { return o.place() == p && !o.Alert.Firing }) {
			m.last-- // the word that it is over has arrived before it, and is not kept
			over := *l
			over.ID, over.Alert.Firing, over.Alert.At = m.last, false, now
			m.wait = append(m.wait, &over)
		}
		n++
		return true
	})
	slices.SortStableFunc(m.wait, func(a, b *Letter) int { return int(b.ID - a.ID) }) // the numbers fall, and a letter goes back to its own place
	return n
}

// count adds what is there to n: waiting and dead.
func (m *memory) count(n map[string][2]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, list := range [][]*Letter{m.wait, m.ended} {
		for _, l := range list {
			c := n[l.Sink]
			c[i]++
			n[l.Sink] = c
		}
	}
}

func values(list []*Letter, keep func(*Letter) bool) []Letter {
	var out []Letter
	for _, l := range list {
		if keep(l) {
			out = append(out, *l)
		}
	}
	return out
}
