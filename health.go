package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/retry"
)

// Health is the answer to "can this database be relied on now".
type Health struct {
	// OK is true when every check is.
	OK bool
	// Checks are the single answers, in a fixed order.
	Checks []Check
	// Breakers are the circuit breakers, as in Stats.
	Breakers []BreakerStats
}

// HealthLevel sums Health up in a word.
type HealthLevel uint8

// The levels.
const (
	// HealthOK says that every check is well.
	HealthOK HealthLevel = iota
	// HealthDegraded says that the database can be read and something else is wrong: the checks say what.
	HealthDegraded
	// HealthDown says that not even reading works.
	HealthDown
)

// String returns the level in lower case.
func (l HealthLevel) String() string {
	switch l {
	case HealthOK:
		return "ok"
	case HealthDegraded:
		return "degraded"
	}
	return "down"
}

// Level is what the checks come to.
func (h Health) Level() HealthLevel {
	if h.OK {
		return HealthOK
	}
	for _, c := range h.Checks {
		if c.Name == "read" && !c.OK {
			return HealthDown
		}
	}
	return HealthDegraded
}

// Check is one question and its answer.
type Check struct {
	// Name is stable: read, write, file, wal, queue, connections, breakers, quarantine, rules, migration.
	Name string
	// OK says whether the answer is good.
	OK bool
	// Detail is what was found.
	Detail string
	// Remedy is what to do; "" when OK.
	Remedy string
}

// Health asks the database whether it reads, whether its writer answers, whether the file is still in place, and whether
// log, queue and connections are within bounds. It changes nothing and takes a few milliseconds; ctx bounds it.
func (db *DB) Health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st := db.Stats()
	file := db.checkFile() // first: the writer, when asked, moves on to the file that it finds
	checks := []Check{db.checkRead(ctx), db.checkWrite(ctx), file, db.checkWAL(st), db.checkQueue(st), checkConnections(st),
		checkBreakers(st), db.checkQuarantine(), db.checkRules(ctx), db.checkMigration(ctx)}
	h := Health{OK: true, Checks: checks, Breakers: st.Breakers}
	for _, c := range checks {
		h.OK = h.OK && c.OK
	}
	return h
}

func timed(what string, began time.Time) string {
	return fmt.Sprintf("%s in %v", what, time.Since(began).Round(10*time.Microsecond))
}

func (db *DB) checkRead(ctx context.Context) Check {
	began := time.Now()
	var n int64
	err := db.QueryRow(ctx, "SELECT count(*) FROM sqlite_schema", WithName("health")).Scan(&n)
	if err != nil {
		return Check{Name: "read", Detail: err.Error(), Remedy: "see the error; while reads fail nothing else will work"}
	}
	return Check{Name: "read", OK: true, Detail: timed(fmt.Sprintf("%d schema objects read", n), began)}
}

// checkWrite takes the writer's turn and gives it back: a transaction that writes nothing.
func (db *DB) checkWrite(ctx context.Context) Check {
	why := db.whyReadOnly()
	if errors.Is(why, ErrNotAdopted) && !db.cfg.ReadOnly { // nobody asked for that: whoever starts to trade on it would fail
		return Check{Name: "write", Detail: why.Error(), Remedy: "adopt the database, or open it with ReadOnly where reading is all that is wanted"}
	}
	if why != nil {
		return Check{Name: "write", OK: true, Detail: "read only: " + why.Error()}
	}
	began := time.Now()
	_, err := db.lanes.Do(ctx, lane.JobOptions{Relaxed: true, Name: "health"}, func(*lane.Tx) error { return nil })
	if err != nil {
		remedy := "see the error"
		if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrQuarantined) {
			remedy = "see the check of that name: writes are refused until it is well"
		}
		if errors.Is(err, ErrOverloaded) || errors.Is(err, context.DeadlineExceeded) {
			remedy = "the writer is saturated or held: look for a long transaction"
		}
		return Check{Name: "write", Detail: typed(err, "").Error(), Remedy: remedy}
	}
	return Check{Name: "write", OK: true, Detail: timed("the writer answered", began)}
}

func (db *DB) checkFile() Check {
	moved, which, err := db.store.HasMoved()
	switch {
	case err != nil:
		return Check{Name: "file", Detail: err.Error(), Remedy: "make the database's folder readable for this process"}
	case moved:
		return Check{Name: "file", Detail: which + " was moved or replaced", Remedy: "put it back, or restart on the new file"}
	}
	return Check{Name: "file", OK: true, Detail: db.store.Location().String()}
}

func (db *DB) checkWAL(st Stats) Check {
	detail := fmt.Sprintf("%d bytes in use, %d on disk, soft limit %d", st.WAL.Used, st.WAL.Bytes, db.cfg.WAL.Soft)
	if st.WAL.Used >= db.cfg.WAL.Hard {
		return Check{Name: "wal", Detail: detail, Remedy: "an old snapshot keeps the log from being reset: find the long reader"}
	}
	return Check{Name: "wal", OK: true, Detail: detail}
}

// checkQueue tells of lines that wait and of lines that shed load.
func (db *DB) checkQueue(st Stats) Check {
	detail := []string{fmt.Sprintf("%d transactions waiting", st.Writer.Waiting)}
	var shedding []string
	for _, l := range st.lanes() {
		refused := uint64(0)
		for _, q := range l.queues {
			refused += q.Refused.Total()
			if q.Shedding {
				shedding = append(shedding, fmt.Sprintf("the %s sheds load of class %s, of which %d wait", l.name, q.Class, q.Waiting))
			}
		}
		if refused > 0 {
			detail = append(detail, fmt.Sprintf("the %s has turned away %d calls since the start", l.name, refused))
		}
	}
	c := Check{Name: "queue", OK: true, Detail: strings.Join(append(shedding, detail...), "; ")}
	switch {
	case len(shedding) > 0:
		c.OK, c.Remedy = false, "more is asked than can be done: ask for less, or wait for RetryAfter before asking again (docs/overload.md)"
	case st.Writer.Waiting > db.cfg.Writer.Queue/2:
		c.OK, c.Remedy = false, "more is written than the disk can sync: write less at once, or Relaxed where that is enough"
	}
	return c
}

// laneQueues are the lines of one lane.
type laneQueues struct {
	name    string
	queues  []QueueStats
	starved int
}

func (s *Stats) lanes() []laneQueues {
	return []laneQueues{{"writer", s.Writer.Queues[:], 0}, {"readers", s.Readers.Queues[:], s.Readers.Starved},
		{"analytics", s.Analytics.Queues[:], s.Analytics.Starved}, {"maintenance", s.Maintenance.Queues[:], s.Maintenance.Starved}}
}

// checkConnections tells of lanes whose connections are all held while somebody wants one, and of connections that were lost.
func checkConnections(st Stats) Check {
	c := Check{Name: "connections", OK: true, Detail: fmt.Sprintf("%d readers open, %d callers waiting, %d connections left behind", st.Readers.Open, st.Readers.Waiting, st.Leaked)}
	var remedies []string
	for _, l := range st.lanes() {
		if l.starved > 0 {
			c.Detail = fmt.Sprintf("the %s lane has no connection left for %d callers: open rows and Views hold all of them; ", l.name, l.starved) + c.Detail
			remedies = append(remedies, "close rows and Views sooner, or raise "+l.name+".connections")
		}
	}
	if st.Leaked > 0 {
		remedies = append(remedies, "a statement could not be stopped and its connection was fenced: restart when convenient")
	}
	c.OK, c.Remedy = remedies == nil, strings.Join(remedies, "; ")
	return c
}

func checkBreakers(st Stats) Check {
	var open, remedies []string
	for _, b := range st.Breakers {
		if b.State == breaker.Closed {
			continue
		}
		open = append(open, fmt.Sprintf("%s is %s since %s after %s", b.Name, b.State, b.Since.UTC().Format(time.RFC3339), shown(b.Cause)))
		remedies = append(remedies, remedyOf(b.Name))
	}
	if open == nil {
		return Check{Name: "breakers", OK: true, Detail: "all closed"}
	}
	return Check{Name: "breakers", Detail: strings.Join(open, "; "), Remedy: strings.Join(remedies, "; ")}
}

// remedyOf says what to do about an open breaker. Each closes by itself once its probe succeeds.
func remedyOf(name string) string {
	switch name {
	case retry.Storage.String():
		return "look at the disk (kernel log, SMART): writes go on by themselves once a probe succeeds"
	case retry.Writing.String():
		return "free space on the volume, or make it writable: writes go on by themselves"
	case retry.Opening.String():
		return "put the file back, and look at its permissions and the limit of open files"
	}
	return "the statement takes its connection with it: ask for less at a time, or raise the lane's memory"
}

func (db *DB) checkQuarantine() Check {
	if err := db.guard.quarantine.err(); err != nil {
		return Check{Name: "quarantine", Detail: err.Error(), Remedy: "restore a backup or repair the database, then `engine health --reset`"}
	}
	return Check{Name: "quarantine", OK: true, Detail: "none"}
}
