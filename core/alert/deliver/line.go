package deliver

import (
	"context"
	"sync"
	"time"

	"github.com/tidegate/engine/core/retry"
)

// line is a sink with what waits for it. One goroutine serves it, so a sink that is slow keeps nobody else waiting.
type line struct {
	k    *Courier
	sink Sink
	bell chan struct{}

	breaker  breaker // of the goroutine alone, as what follows up to mu
	backoff  retry.Backoff
	unsaid   []settlement // what the file did not take
	repeated map[int64]time.Time
	beat     time.Time

	mu     sync.Mutex
	next   time.Time // when something is to be done; zero: when the bell rings
	counts map[string]uint64
	shut   bool // the breaker is open
}

// settlement is what became of a letter.
type settlement struct {
	l     Letter
	state int
}

// Outcomes that are counted.
const (
	outcomeDelivered = "delivered"
	outcomeFailed    = "failed" // and is tried again
	outcomeDead      = "dead"
	outcomeRepeated  = "repeated"
	outcomeHeartbeat = "heartbeat"
	outcomeUnbeaten  = "heartbeat_failed"
)

// unwell is after how long a file that failed is tried again.
const unwell = 5 * time.Second

func newLine(k *Courier, s Sink) *line {
	l := &line{k: k, sink: s, bell: make(chan struct{}, 1), repeated: map[int64]time.Time{}, counts: map[string]uint64{},
		backoff: retry.Backoff{Base: k.c.Patience.Base, Cap: k.c.Patience.Most}, beat: k.c.Clock.Now()}
	l.bell <- struct{}{} // what the file holds
	return l
}

func (l *line) wake() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

func (l *line) due(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.next.IsZero() && !now.Before(l.next)
}

func (l *line) count(outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[outcome]++
}

// overflow counts letters that had to make room.
func (l *line) overflow(n int64) {
	if n <= 0 {
		return
	}
	l.mu.Lock()
	l.counts[outcomeDead] += uint64(n)
	l.mu.Unlock()
	l.k.c.Log.Error("too many alerts wait for a sink: the oldest are dead letters now (engine alert dead)", "sink", l.sink.Name, "letters", n)
}

func (l *line) run() {
	for {
		select {
		case <-l.bell:
		case <-l.k.stop:
			l.last()
			return
		}
		for l.step() {
			select {
			case <-l.k.stop:
				l.last()
				return
			default:
			}
		}
	}
}

// last tries what would be lost, once, whatever the breaker says.
func (l *line) last() {
	for _, letter := range l.k.memory.waiting(l.sink.Name) {
		if l.k.ctx.Err() != nil {
			return
		}
		l.try(letter)
	}
	l.flush()
}

// step does one thing that is due, and reports whether there may be more. It leaves in next when the line is to be woken.
func (l *line) step() bool {
	now := l.k.c.Clock.Now()
	leads := l.k.shelf == nil || l.k.leads(l.k.ctx)
	letters, readable := l.letters(leads)
	next := time.Time{}
	if !readable {
		next = now.Add(unwell)
	}
	for _, letter := range letters {
		if letter.Attempts > 0 && l.spent(&letter, now) {
			l.bury(letter, now)
			return true
		}
	}
	if !l.breaker.closed(now) {
		l.sleep(earlier(next, l.breaker.until))
		return false
	}
	for _, letter := range letters {
		if !letter.Next.After(now) || letter.Next.Sub(now) > longestWait(&l.k.c.Patience) { // it was written down before the clock was set back
			l.try(letter)
			return true
		}
		next = earlier(next, letter.Next)
	}
	if l.breaker.open() && len(letters) > 0 {
		l.sleep(next)
		return false
	}
	if !leads { // signs of life and what is told again are the teller's
		l.sleep(next)
		return false
	}
	next, more := l.routine(now, next)
	l.sleep(next)
	return more
}

// longestWait is more than any letter waits between two attempts.
func longestWait(p *Patience) time.Duration { return max(p.Most, longestPause) + time.Minute }

func (l *line) sleep(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.shut = until, l.breaker.open()
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// letters are those that may be tried, of the file and of the memory. False: the file cannot be read or written now, and what it holds has to wait, or it
// would be told again and again. Who does not lead has none but those of his memory.
func (l *line) letters(leads bool) ([]Letter, bool) {
	ctx := l.k.ctx
	if l.k.shelf == nil {
		return l.k.memory.waiting(l.sink.Name), true
	}
	spare := l.k.memory.waiting(l.sink.Name)
	if !l.flush() {
		return spare, false
	}
	if !leads {
		return spare, true
	}
	letters, err := l.k.shelf.waiting(ctx, l.sink.Name)
	if err != nil {
		if ctx.Err() == nil {
			l.k.c.Log.Warn("what alerts wait to be delivered cannot be read", "sink", l.sink.Name, "error", err)
		}
		return spare, false
	}
	for _, letter := range spare {
		if held, err := l.k.shelf.holds(ctx, letter.place()); err == nil && !held {
			letters = append(letters, letter)
		}
	}
	return letters, true
}

// spent reports whether a letter has been tried long or often enough.
func (l *line) spent(letter *Letter, now time.Time) bool {
	p := &l.k.c.Patience
	return now.Sub(letter.Queued) >= p.Age || p.Attempts > 0 && letter.Attempts >= p.Attempts
}

// try makes one attempt and notes what became of it.
func (l *line) try(letter Letter) {
	r := l.k.attempt(l.k.ctx, l.sink.To, &letter.Alert, letter.Key(l.k.source))
	now := l.k.c.Clock.Now()
	if r.fate == again && l.k.ctx.Err() != nil {
		return // Close ended it, which is nobody's failure
	}
	letter.Attempts++
	letter.Reason = r.reason
	switch r.fate {
	case arrived:
		l.breaker.answered()
		letter.Ended, letter.Reason = now, ""
		l.count(outcomeDelivered)
		l.repeated[letter.Alert.ID] = now
		l.settle(letter, delivered)
		return
	case never:
		l.breaker.answered()
		l.bury(letter, now)
		return
	}
	l.breaker.failed(now, r.hold(), &l.k.c.Patience)
	if l.spent(&letter, now) {
		l.bury(letter, now)
		return
	}
	l.count(outcomeFailed)
	letter.Next = now.Add(max(l.backoff.Delay(letter.Attempts-1), r.after))
	if letter.Attempts == 1 {
		l.k.c.Log.Warn("an alert was not delivered and is tried again", "sink", l.sink.Name, "rule", letter.Alert.Rule, "alert", letter.Alert.ID, "reason", r.reason)
	}
	l.settle(letter, pending)
}

// bury makes a dead letter.
func (l *line) bury(letter Letter, now time.Time) {
	letter.Ended = now
	l.count(outcomeDead)
	l.k.c.Log.Error("an alert is not delivered: engine alert dead shows it and can have it sent again", "sink", l.sink.Name, "rule", letter.Alert.Rule,
		"alert", letter.Alert.ID, "attempts", letter.Attempts, "reason", letter.Reason)
	l.settle(letter, dead)
}

// settle writes down what became of a letter, now or as soon as the file takes it.
func (l *line) settle(letter Letter, state int) {
	if letter.ID < 0 {
		l.k.memory.settle(&letter, state)
		return
	}
	l.unsaid = append(l.unsaid, settlement{letter, state})
	l.flush()
}

// flush reports whether everything is written down.
func (l *line) flush() bool {
	for len(l.unsaid) > 0 {
		s := l.unsaid[0]
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.k.ctx), 5*time.Second)
		err := l.k.shelf.settle(ctx, &s.l, s.state)
		cancel()
		if err != nil {
			l.k.c.Log.Warn("what became of an alert is not written down yet", "sink", l.sink.Name, "alert", s.l.Alert.ID, "error", err)
			return false
		}
		l.unsaid = l.unsaid[1:]
	}
	return true
}
