package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/health"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
)

// HealthConfig says from when on [DB.Health] warns. Work goes on all the same.
type HealthConfig struct {
	// DiskFree is how much of the database's file system has to be free, in bytes. Default 512 MiB, twice the cap of the write-ahead log; 0
	// never warns.
	DiskFree int64
	// SnapshotAge is how old the oldest snapshot or transaction may get. Default 5 min; 0 never warns.
	SnapshotAge time.Duration
}

// mistakes lists what is wrong.
func (c *HealthConfig) mistakes() (bad []string) {
	if c.DiskFree < 0 {
		bad = append(bad, fmt.Sprintf("health.disk_free: must not be negative, got %d; 0 never warns", c.DiskFree))
	}
	if c.SnapshotAge < 0 {
		bad = append(bad, fmt.Sprintf("health.snapshot_age: must not be negative, got %v; 0 never warns", c.SnapshotAge))
	}
	return bad
}

// Health is the answer to "can this database be relied on now".
type Health struct {
	// OK is true when every check is well.
	OK bool
	// Ready is true when work can be taken: every check is well, or warns of what will be.
	Ready bool
	// Checks are the single answers, in a fixed order.
	Checks []Check
	// Breakers are the circuit breakers, as in Stats.
	Breakers []BreakerStats
}

// Check and HealthLevel are documented in package health.
type (
	// Check is one question and its answer.
	Check = health.Check
	// HealthLevel sums Health up in a word.
	HealthLevel = health.Level
)

// The levels.
const (
	// HealthOK says that every check is well.
	HealthOK = health.OK
	// HealthDegraded says that the database can be read and something else is wrong: the checks say what.
	HealthDegraded = health.Degraded
	// HealthDown says that not even reading works.
	HealthDown = health.Down
)

// Level is what the checks come to.
func (h Health) Level() HealthLevel { return health.LevelOf(h.Checks) }

// The time of the checks: what takes longer has failed.
const (
	healthTime = 5 * time.Second // all together
	lookTime   = 2 * time.Second // each that has to wait for an answer
)

// saturated is the remedy of a writer that does not answer.
const saturated = "the writer is saturated or held: look for a long transaction (engine ps)"

// vitals are what a database is asked about its health, and what is remembered of earlier answers.
type vitals struct {
	file, read, write, rules, migration *health.Probe
	volume                              *health.Volume
	losses                              health.Losses
}

// examine makes the probes. free nil asks the system how much the file system has.
func (db *DB) examine(loc sqlite.Location, free func(path string) (int64, bool)) {
	path := loc.Path
	if loc.Memory {
		path = ""
	}
	if free == nil {
		free = sqlite.FreeBytes
	}
	db.guard.vitals = &vitals{
		file:      health.NewProbe("file", lookTime, "the file system does not answer: look at the volume", func(context.Context) Check { return db.checkFile() }),
		read:      health.NewProbe("read", lookTime, "reads wait for their turn or for the disk: look for long reads (engine ps)", db.checkRead),
		write:     health.NewProbe("write", lookTime, saturated, db.checkWrite),
		rules:     health.NewProbe("rules", lookTime, "what is stored of rules cannot be read: see the check read", db.checkRules),
		migration: health.NewProbe("migration", lookTime, "what is stored of migrations cannot be read: see the check read", db.checkMigration),
		volume:    health.NewVolume(path, free),
	}
}

// Health asks the database whether it reads, whether its writer answers, whether the file is still in place, and whether log, queue,
// connections and disk are within bounds. It changes nothing and takes a few milliseconds; ctx bounds it, whatever hangs.
func (db *DB) Health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	v := db.guard.vitals
	file := health.Ask(ctx, v.file)[0] // first: the writer, when asked, moves on to the file that it finds
	asked := health.Ask(ctx, v.read, v.write, v.rules, v.migration)
	st, now := db.lanes.Stats(), db.clock.Now() // afterwards: the writer, when asked, looks for what other programs have done
	db.noteLosses(now)
	checks := []Check{asked[0], asked[1], file, health.WAL(&st, db.cfg.WAL.Soft, db.cfg.WAL.Hard), health.Queue(&st, db.cfg.Writer.Queue), health.Connections(&st),
		db.checkBreakers(), db.checkQuarantine(), asked[2], asked[3], health.Disk(ctx, v.volume, db.cfg.Health.DiskFree),
		health.Snapshot(db.lanes.Oldest(), db.cfg.Health.SnapshotAge), health.Foreign(&st.Writer.File, now), health.Telemetry(&v.losses, now),
		db.checkAlerts()}
	return Health{OK: health.LevelOf(checks) == HealthOK, Ready: health.ReadyOf(checks), Checks: checks, Breakers: db.guard.breakers()}
}

// noteLosses tells the memory of losses what was lost so far.
func (db *DB) noteLosses(now time.Time) {
	l := &db.guard.vitals.losses
	l.Note(now, "spans", db.rec.flight.Lost())
	t := db.chores.watched
	if t == nil {
		return
	}
	l.Note(now, "intervals of metrics", t.dropped.Total())
	if t.slow != nil {
		c := t.slow.Counts()
		l.Note(now, "slow statements", c.Dropped+c.Failed)
	}
}

func timed(what string, began time.Time) string {
	return fmt.Sprintf("%s in %v", what, time.Since(began).Round(10*time.Microsecond))
}

func (db *DB) checkRead(ctx context.Context) Check {
	began := time.Now()
	var n int64
	err := db.QueryRow(ctx, "SELECT count(*) FROM sqlite_schema", WithName("health")).Scan(&n)
	if err != nil {
		return health.Failure("read", err.Error(), "see the error; while reads fail nothing else will work")
	}
	return health.Good("read", timed(fmt.Sprintf("%d schema objects read", n), began))
}

// checkWrite takes the writer's turn and gives it back: a transaction that writes nothing.
func (db *DB) checkWrite(ctx context.Context) Check {
	why := db.whyReadOnly()
	if errors.Is(why, ErrNotAdopted) && !db.cfg.ReadOnly { // nobody asked for that: whoever starts to trade on it would fail
		return health.Failure("write", why.Error(), "adopt the database, or open it with ReadOnly where reading is all that is wanted")
	}
	if why != nil {
		return health.Good("write", "read only: "+why.Error())
	}
	began := time.Now()
	_, err := db.lanes.Do(ctx, lane.JobOptions{Relaxed: true, Name: "health"}, func(*lane.Tx) error { return nil })
	if err != nil {
		remedy := "see the error"
		if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrQuarantined) {
			remedy = "see the check of that name: writes are refused until it is well"
		}
		if errors.Is(err, ErrOverloaded) || errors.Is(err, context.DeadlineExceeded) {
			remedy = saturated
		}
		return health.Failure("write", typed(err, "").Error(), remedy)
	}
	return health.Good("write", timed("the writer answered", began))
}

func (db *DB) checkFile() Check {
	moved, which, err := db.store.HasMoved()
	switch {
	case err != nil:
		return health.Failure("file", err.Error(), "make the database's folder readable for this process")
	case moved:
		return health.Failure("file", which+" was moved or replaced", "put it back, or restart on the new file")
	}
	return health.Good("file", db.store.Location().String())
}

func (db *DB) checkBreakers() Check {
	var open []health.Breaker
	for _, b := range db.guard.breakers() {
		if b.State != breaker.Closed {
			open = append(open, health.Breaker{Name: b.Name, State: b.State.String(), Since: b.Since, Cause: shown(b.Cause), Remedy: remedyOf(b.Name)})
		}
	}
	return health.Breakers(open)
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

func (db *DB) checkAlerts() Check {
	firing, err := db.Alerts().Firing()
	if err != nil {
		return health.Good("alerts", "nothing is evaluated")
	}
	silences, _ := db.Alerts().Silences() // there are alerts
	now := db.clock.Now()
	var list []health.Alert
	for i := range firing {
		a := &firing[i]
		silenced := slices.ContainsFunc(silences, func(s AlertSilence) bool { return s.Covers(&a.Alert, now) })
		list = append(list, health.Alert{Rule: a.Rule, Severity: a.Severity.String(), Title: a.Title, Matters: !silenced && a.Severity > AlertInfo})
	}
	return health.Alerts(list)
}

func (db *DB) checkQuarantine() Check {
	if err := db.guard.quarantine.err(); err != nil {
		return health.Failure("quarantine", err.Error(), "restore a backup or repair the database, then `engine health --reset`")
	}
	return health.Good("quarantine", "none")
}
