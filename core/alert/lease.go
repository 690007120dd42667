package alert

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

const (
	// LeaseBeat is how often whoever has the lease renews it.
	LeaseBeat = time.Second
	// leaseTime is after how long without that another one takes it.
	leaseTime = 5 * time.Second
)

// Lease makes one of the processes that share a file the one that tells of alerts: the others watch. It is a row of the file with the name of its owner and
// the time when he was last heard of, which every transaction that tells looks at: one who was stopped for a while and goes on finds out before he tells.
// It is safe for concurrent use.
type Lease struct {
	file  *sidecar.File
	owner string
	now   func() time.Time

	mu     sync.Mutex
	teller Teller // whom the file named last
	held   bool
	sure   time.Time // when it was last known to be held
	over   bool
}

// Teller is the process that tells of alerts.
type Teller struct {
	// Host and Process are where it runs; empty and 0 where none is known.
	Host    string `json:"host,omitempty"`
	Process int    `json:"process,omitempty"`
	// Self is true where it is the one that was asked.
	Self bool `json:"self"`
	// Heard is when it was last heard of.
	Heard time.Time `json:"heard"`
}

// NewLease returns a lease that is not held. The file has the Schema; now is the time.
func NewLease(file *sidecar.File, now func() time.Time) *Lease {
	return &Lease{file: file, owner: rand.Text(), now: now}
}

// errNotTeller says that another process tells of alerts.
var errNotTeller = errors.New("another process that shares the telemetry database tells of its alerts")

// Renew takes the lease where nobody has it, keeps it where it is held, and reports whether it is. Where the file cannot be written and nobody is heard of in
// it, it is taken as held: that an alert about a full disk is told twice is better than that it is not told.
func (l *Lease) Renew(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	now := l.now()
	found, owner, err := l.read(ctx)
	switch {
	case err != nil: // nothing is known: it stays as it was
	case owner != "" && owner != l.owner && alive(found.Heard, now):
		l.teller, l.held = found, false
	default:
		l.held = !errors.Is(l.write(ctx, now), errNotTeller)
	}
	if l.held {
		l.sure = now
	}
	return l.held
}

// alive reports whether one who was heard of then is there now. What lies in the future was written before the clock was set back: whoever is there
// writes the time anew.
func alive(heard, now time.Time) bool {
	since := now.Sub(heard)
	return since < leaseTime && since > -leaseTime
}

// read looks who has the lease. The caller holds mu.
func (l *Lease) read(ctx context.Context) (t Teller, owner string, err error) {
	err = l.file.Read(ctx, func(c *sqlite.Conn) error {
		t, owner, err = tellerOf(c)
		return err
	})
	return t, owner, err
}

func tellerOf(c *sqlite.Conn) (t Teller, owner string, err error) {
	err = sidecar.Each(c, "SELECT owner, host, process, heard_ms FROM alert_teller", nil, func(v []sqlite.Value) error {
		owner, t = string(v[0].Bytes), Teller{Host: string(v[1].Bytes), Process: int(v[2].Int), Heard: time.UnixMilli(v[3].Int).UTC()}
		return nil
	})
	return t, owner, err
}

// write makes the lease ours, unless somebody else has got it since it was read. The caller holds mu.
func (l *Lease) write(ctx context.Context, now time.Time) error {
	host, _ := os.Hostname() // it is for people
	return l.file.Write(ctx, func(c *sqlite.Conn) error {
		t, owner, err := tellerOf(c)
		if err != nil {
			return err
		}
		if owner != "" && owner != l.owner && alive(t.Heard, now) {
			l.teller = t
			return errNotTeller
		}
		l.teller = Teller{Host: host, Process: os.Getpid(), Heard: now.UTC()}
		return sidecar.Run(c, "INSERT OR REPLACE INTO alert_teller (one, owner, host, process, heard_ms) VALUES (1, ?, ?, ?, ?)", l.owner, host, int64(os.Getpid()), now.UnixMilli())
	})
}

// Held reports whether it is known to be held now. Whoever was stopped for a while asks the file.
func (l *Lease) Held(ctx context.Context) bool {
	l.mu.Lock()
	held, since := l.held, l.now().Sub(l.sure)
	l.mu.Unlock()
	if held && since < leaseTime/2 && since >= 0 {
		return true
	}
	return held && l.Renew(ctx)
}

// check fails a transaction of one who does not have the lease, because another one has. A nil lease has nobody else.
func (l *Lease) check(c *sqlite.Conn) error {
	if l == nil {
		return nil
	}
	t, owner, err := tellerOf(c)
	if err == nil && owner != l.owner && owner != "" && alive(t.Heard, l.now()) {
		return errNotTeller
	}
	return err
}

// Teller is who tells, as of the latest look.
func (l *Lease) Teller() Teller {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.teller
	t.Self = l.held
	return t
}

// Release gives it back at once, for good.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held
	l.over, l.held = true, false
	if !held {
		return nil
	}
	return l.file.Write(ctx, func(c *sqlite.Conn) error {
		return sidecar.Run(c, "DELETE FROM alert_teller WHERE owner = ?", l.owner)
	})
}
