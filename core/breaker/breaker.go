// Package breaker stops calls that are bound to fail. A Breaker belongs to one fault domain: a device, a kind of operation, a statement, a
// plug-in, a sink. Whoever owns it says which failures count; load, a caller that gave up and a constraint that said no never should.
//
// While it is closed, asking it costs one atomic load. Too many failures within a window, or one that Trip is called for, open it, and
// everybody gets an *OpenError that says why and when to come back. After a rest one call at a time is let through as a probe; enough
// good probes in a row close it, a bad one opens it again for twice as long.
//
// No instant is compared with another in a way that a clock which jumps could turn into a wait: a clock that went back ends the rest.
package breaker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/internal/clock"
)

// ErrOpen is matched by every OpenError.
var ErrOpen = errors.New("the circuit breaker is open")

// State of a Breaker.
type State uint8

// The states. Closed is the zero value.
const (
	Closed   State = iota // calls pass
	HalfOpen              // a probe passes, everybody else is refused
	Open                  // everybody is refused
)

// String returns the state in lower case.
func (s State) String() string {
	names := [...]string{"closed", "half_open", "open"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Config of a Breaker. Every duration and count must be positive.
type Config struct {
	Name     string        // for errors and statistics
	Domain   string        // one of few names, for the attribute error.type; "": the Name
	Failures int           // so many within Window open it
	Window   time.Duration //
	Rest     time.Duration // how long it is open before the first probe; doubled by every probe that fails
	MaxRest  time.Duration // and never longer than this
	Probes   int           // so many good ones in a row close it
	Clock    clock.Clock   // nil: the system's
	Changed  func(Change)  // called after each change of state, one at a time; may be nil; must not call the Breaker
}

// Change is one change of state.
type Change struct {
	Name     string
	From, To State
	Cause    error // the failure that opened it; nil otherwise
	Rest     time.Duration
}

// OpenError says that a call was refused before it did anything.
type OpenError struct {
	Name       string        // of the breaker
	Domain     string        // what kind of breaker it is
	For        time.Duration // how long the breaker has been open
	RetryAfter time.Duration // when a retry has a chance
	Cause      error         // the failure that opened it; not unwrapped: it is another call's
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("the %s circuit breaker has been open for %v after %v: retry after %v", e.Name, e.For.Round(time.Millisecond), e.Cause,
		e.RetryAfter.Round(time.Millisecond))
}

// Is matches ErrOpen.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

// ErrorType is the value of the error.type attribute in spans.
func (e *OpenError) ErrorType() string { return "breaker_" + e.Domain }

// Breaker is one circuit breaker. Safe for concurrent use.
type Breaker struct {
	cfg     Config
	state   atomic.Uint32
	refused atomic.Uint64

	mu      sync.Mutex
	recent  []time.Time // the latest failures while closed, as a ring
	at      int
	since   time.Time // of the present state
	rest    time.Duration
	good    int       // probes in a row
	probing time.Time // when the probe that is under way began; zero: none is
	cause   error
	total   uint64 // failures that counted
	opened  uint64
}

// New returns a closed breaker.
func New(cfg Config) *Breaker {
	if cfg.Clock == nil {
		cfg.Clock = clock.System()
	}
	if cfg.Domain == "" {
		cfg.Domain = cfg.Name
	}
	return &Breaker{cfg: cfg, recent: make([]time.Time, max(1, cfg.Failures)), rest: cfg.Rest}
}

// State returns the present state.
func (b *Breaker) State() State { return State(b.state.Load()) }

// Check returns nil while the breaker is closed, and an *OpenError otherwise. It lets nobody through as a probe: for domains whose
// owner probes by itself.
func (b *Breaker) Check() error {
	if b.State() == Closed {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.State() == Closed {
		return nil
	}
	return b.refuse()
}

// Allow is Check for domains in which a call is its own probe. When probe is true the caller is the one that was let through, and must
// call Settle.
func (b *Breaker) Allow() (probe bool, err error) {
	if b.State() == Closed {
		return false, nil
	}
	b.mu.Lock()
	if b.State() == Closed {
		b.mu.Unlock()
		return false, nil
	}
	now := b.cfg.Clock.Now()
	if !b.due(now) {
		err = b.refuse()
		b.mu.Unlock()
		return false, err
	}
	b.probing = now
	change := b.become(HalfOpen, now, nil)
	b.tell(change)
	return true, nil
}

// Due reports whether Allow would let a probe through now.
func (b *Breaker) Due() bool {
	if b.State() == Closed {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.State() != Closed && b.due(b.cfg.Clock.Now())
}

// due is Due for a breaker that is not closed. b.mu is held.
func (b *Breaker) due(now time.Time) bool {
	if b.State() == HalfOpen {
		// A probe that never came back, because its caller died or its goroutine hangs, must not keep the breaker half open for ever.
		return b.probing.IsZero() || passed(b.probing, now) >= b.cfg.MaxRest
	}
	return b.left(now) <= 0
}

// Settle ends a probe that Allow let through. A nil err is a good one.
func (b *Breaker) Settle(err error) {
	b.mu.Lock()
	now := b.cfg.Clock.Now()
	if b.State() != HalfOpen {
		b.mu.Unlock()
		return // another probe was faster
	}
	b.probing = time.Time{}
	if err != nil {
		b.total++
		b.rest = min(2*b.rest, b.cfg.MaxRest)
		b.tell(b.become(Open, now, err))
		return
	}
	if b.good++; b.good < b.cfg.Probes {
		b.mu.Unlock()
		return
	}
	b.rest = b.cfg.Rest
	clear(b.recent)
	b.tell(b.become(Closed, now, nil))
}

// Withdraw ends a probe that proved nothing: its caller gave up. The next caller may probe.
func (b *Breaker) Withdraw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = time.Time{}
}

// Failure counts one failure. The last of too many opens the breaker.
func (b *Breaker) Failure(cause error) {
	b.mu.Lock()
	b.total++
	if b.State() != Closed {
		b.mu.Unlock()
		return // of a call that began before
	}
	now := b.cfg.Clock.Now()
	oldest := b.recent[(b.at+1)%len(b.recent)]
	if len(b.recent) == 1 {
		oldest = now
	}
	b.recent[b.at] = now
	b.at = (b.at + 1) % len(b.recent)
	age := now.Sub(oldest)
	if oldest.IsZero() || age < 0 || age > b.cfg.Window {
		b.mu.Unlock()
		return
	}
	b.tell(b.become(Open, now, cause))
}

// Trip opens the breaker at once: for a failure that leaves no doubt.
func (b *Breaker) Trip(cause error) {
	b.mu.Lock()
	b.total++
	b.probing = time.Time{}
	b.tell(b.become(Open, b.cfg.Clock.Now(), cause))
}

// become changes the state. b.mu is held.
func (b *Breaker) become(to State, now time.Time, cause error) *Change {
	from := b.State()
	if to == Open {
		b.cause, b.good = cause, 0
		b.since = now
		if from != Open {
			b.opened++
		}
	}
	if from == to {
		return nil
	}
	b.since = now
	b.state.Store(uint32(to))
	return &Change{Name: b.cfg.Name, From: from, To: to, Cause: cause, Rest: b.rest}
}

// tell releases b.mu and passes the change on. The lock is held meanwhile, so that changes arrive in their order.
func (b *Breaker) tell(c *Change) {
	defer b.mu.Unlock()
	if c != nil && b.cfg.Changed != nil {
		b.cfg.Changed(*c)
	}
}

// left is how much of the rest is still to come. b.mu is held.
func (b *Breaker) left(now time.Time) time.Duration { return b.rest - passed(b.since, now) }

// passed is the time from then to now, or very long when the clock went back: nobody knows how long it was then.
func passed(then, now time.Time) time.Duration {
	if d := now.Sub(then); d >= 0 {
		return d
	}
	return 1<<63 - 1
}

// refuse counts and describes a refusal. b.mu is held.
func (b *Breaker) refuse() *OpenError {
	b.refused.Add(1)
	now := b.cfg.Clock.Now()
	return &OpenError{Name: b.cfg.Name, Domain: b.cfg.Domain, For: max(0, now.Sub(b.since)), RetryAfter: b.retryAfter(now), Cause: b.cause}
}

func (b *Breaker) retryAfter(now time.Time) time.Duration {
	if b.State() == HalfOpen {
		return b.cfg.Rest
	}
	return max(b.left(now), b.cfg.Rest/10)
}

// Status is what a Breaker is doing and has done.
type Status struct {
	Name       string
	State      State
	Since      time.Time     // when the present state began; zero: it has never been anything but closed
	RetryAfter time.Duration // when a call has a chance; 0 while closed
	Failures   uint64        // that counted
	Opened     uint64        // how often it opened
	Refused    uint64        // calls that were refused
	Cause      error         // the failure that opened it last; nil: it never was
}

// Status returns the present figures.
func (b *Breaker) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{Name: b.cfg.Name, State: b.State(), Since: b.since, Failures: b.total, Opened: b.opened, Refused: b.refused.Load(), Cause: b.cause}
	if s.State != Closed {
		s.RetryAfter = b.retryAfter(b.cfg.Clock.Now())
	}
	return s
}
