package lane_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/sqlite"
)

// endlessTime is how long the model lets a statement run. A starved machine must not make an innocent one look like it, so few may be so.
const (
	endlessTime = 2 * time.Second
	mostEndless = 3
)

// errCaller is what a closure of the model returns when it wants its work undone.
var errCaller = errors.New("the caller changed its mind")

// fault is a way in which a job of the model goes wrong.
type fault uint8

const (
	none fault = iota
	constraint
	callerError
	orRollback
	nestedTrigger
	interrupted
	deferredKey
	panics
	diskFull
	leaseExpiry
	swallowed
	goexits
	syncFails
	commitFails
	faults
)

var faultNames = [...]string{"none", "constraint", "caller error", "OR ROLLBACK", "RAISE(ROLLBACK) in a nested trigger", "interrupted write",
	"deferred foreign key", "panic", "disk full", "lease expiry", "swallowed OR FAIL", "Goexit", "sync that fails", "COMMIT that fails to write"}

// volume is a disk that can be full: so many of the next writes to the log fail. It can also fail the next sync of the log, or
// the write of the next frame that ends a transaction, half way through.
type volume struct{ full, sync, frame atomic.Int32 }

// fullFor is how many writes a full disk fails before there is space again: fewer than the lane tries to find out about a COMMIT that
// failed just before. A disk that stays full for longer leaves outcomes unknown, and that is another test's business: so faults are not heaped
// up, either.
const fullFor = 4

// once takes one from n, unless there is none.
func once(n *atomic.Int32) bool {
	for have := n.Load(); have > 0; have = n.Load() {
		if n.CompareAndSwap(have, have-1) {
			return true
		}
	}
	return false
}

func (v *volume) Before(op sqlite.Op) error {
	if op.File == sqlite.FileWAL && op.Kind == sqlite.OpSync && once(&v.sync) {
		return syscall.EIO
	}
	if op.File == sqlite.FileWAL && op.Kind == sqlite.OpWrite && len(op.Data) == 24 && binary.BigEndian.Uint32(op.Data[4:]) != 0 && once(&v.frame) {
		return &sqlite.ShortWrite{N: int(op.Offset % 25), Err: syscall.EIO}
	}
	if op.Kind == sqlite.OpWrite && op.File == sqlite.FileWAL && once(&v.full) {
		return syscall.ENOSPC
	}
	return nil
}

const modelSchema = `CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY) STRICT;
CREATE TABLE work (job INTEGER NOT NULL, part INTEGER NOT NULL, who INTEGER NOT NULL, PRIMARY KEY (job, part)) STRICT, WITHOUT ROWID;
CREATE TABLE child (job INTEGER NOT NULL PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT;
CREATE TABLE outer_t (job INTEGER NOT NULL PRIMARY KEY) STRICT;
CREATE TABLE inner_t (job INTEGER NOT NULL PRIMARY KEY) STRICT;
CREATE TRIGGER outer_ai AFTER INSERT ON outer_t BEGIN INSERT INTO inner_t VALUES (NEW.job); END;
CREATE TRIGGER inner_ai AFTER INSERT ON inner_t WHEN NEW.job < 0 BEGIN SELECT RAISE(ROLLBACK, 'no'); END;
INSERT INTO parent VALUES (1);
INSERT INTO work VALUES (0, 0, 0);`

// TestModel runs more than ten thousand transactions of which one in ten goes wrong in one of a dozen ways, and then compares
// what the callers were told with what is in the database. Replay a run with TIDEGATE_SEED.
func TestModel(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TIDEGATE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("seed %d (TIDEGATE_SEED=%d replays the choice of faults)", seed, seed)
	jobs := 240
	if os.Getenv("TIDEGATE_TORTURE") != "" {
		jobs = 640
	}
	m := newModel(t)
	m.run(seed, 50, jobs)
}

func newModel(t *testing.T) *model {
	m := &model{t: t, disk: &volume{}}
	m.rig = build(t, func(s *setup) {
		s.opt.Faults = m.disk
		s.opt.Functions = []sqlite.Function{{Name: "dawdle", Args: 1, Scalar: func(args []sqlite.Value) (any, error) {
			time.Sleep(300 * time.Microsecond)
			return args[0].Int, nil
		}}}
		s.cfg.Writer.Hold = time.Minute // whoever is to lose the writer asks for less: see one
		s.cfg.Writer.StatementTime = endlessTime
		s.cfg.Writer.Grace = time.Minute // nothing here is stuck: interrupting must be enough
	})
	for _, sql := range splitSchema(modelSchema) {
		m.must(t, sql)
	}
	return m
}

// run has so many callers run so many jobs each, and compares.
func (m *model) run(seed uint64, callers, jobs int) {
	var wg sync.WaitGroup
	for who := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(who)))
			for i := range jobs {
				m.one(int64(1+who*jobs+i), int64(who), rng)
			}
		})
	}
	wg.Wait()
	m.judge(callers * jobs)
}

func splitSchema(script string) (out []string) {
	// Triggers hold semicolons of their own; each statement of the schema above is a line.
	start := 0
	for i := range script {
		if script[i] == '\n' {
			out = append(out, script[start:i])
			start = i + 1
		}
	}
	return append(out, script[start:])
}

type model struct {
	*rig
	t       *testing.T
	disk    *volume
	told    sync.Map // job → verdict
	count   [faults]atomic.Int64
	unknown atomic.Int64
	lost    atomic.Int64
	single  bool // most jobs are relaxed statements, which need no closure
}

type told struct {
	applied bool
	unsure  bool
	fault   fault
	err     error
}

// one runs a job: two rows, with a fault of its kind between or after them.
func (m *model) one(job, who int64, rng *rand.Rand) {
	f := none
	if rng.IntN(10) == 0 {
		f = fault(1 + rng.IntN(int(faults)-1))
		if (f == leaseExpiry || f == interrupted || f == diskFull) && rng.IntN(16) != 0 {
			f = constraint // these three take long, so there are fewer of them
		}
		if (f == syncFails || f == commitFails) && rng.IntN(4) != 0 {
			f = constraint // each of these costs everybody the connection
		}
	}
	if f == interrupted && m.count[f].Load() >= mostEndless {
		f = constraint
	}
	m.count[f].Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opt := lane.JobOptions{Name: fmt.Sprintf("job %d", job), Replayable: rng.IntN(2) == 0, Relaxed: rng.IntN(4) == 0}
	if rng.IntN(2) == 0 {
		opt.Proof = func(c *sqlite.Conn) (bool, error) {
			n, err := c.QueryInt(fmt.Sprintf("SELECT count(*) FROM work WHERE job = %d", job))
			return n > 0, err
		}
	}
	switch f {
	case syncFails:
		m.disk.sync.CompareAndSwap(0, 1)
	case commitFails:
		m.disk.frame.CompareAndSwap(0, 1)
	case diskFull:
		m.disk.full.CompareAndSwap(0, fullFor)
	case leaseExpiry:
		opt.Hold = 400 * time.Millisecond
	}
	var err error
	if m.single {
		opt.Relaxed = rng.IntN(8) > 0
	}
	if f == none && (m.single || rng.IntN(3) == 0) { // without a closure
		_, err = m.Do(ctx, opt, func(tx *lane.Tx) error { return m.parts(ctx, tx, job, who, f) })
	} else {
		err = m.update(ctx, opt, job, who, f)
	}
	if errors.Is(err, lane.ErrNotApplied) {
		m.lost.Add(1)
	}
	if errors.Is(err, lane.ErrOutcomeUnknown) {
		m.unknown.Add(1)
	}
	m.told.Store(job, told{applied: err == nil, unsure: errors.Is(err, lane.ErrOutcomeUnknown), fault: f, err: err})
}

// update runs the closure on a goroutine of its own, so that it may panic or exit.
func (m *model) update(ctx context.Context, opt lane.JobOptions, job, who int64, f fault) (err error) {
	done := make(chan struct{})
	err = errors.New("the closure did not return")
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		_, e := m.Update(ctx, opt, func(tx *lane.Tx) error { return m.parts(ctx, tx, job, who, f) })
		err = e
	}()
	<-done
	return err
}

const insertWork = "INSERT INTO work VALUES (?, ?, ?)"

func (m *model) parts(ctx context.Context, tx *lane.Tx, job, who int64, f fault) error {
	run := func(sql string, args ...any) error {
		_, err := tx.Exec(ctx, sql, args)
		return err
	}
	if err := run(insertWork, job, int64(1), who); err != nil {
		return err
	}
	switch f {
	case constraint:
		if err := run("INSERT INTO work VALUES (0, 0, 0)"); err != nil {
			return err
		}
		return errors.New("a duplicate got in")
	case callerError:
		return errCaller
	case orRollback:
		if err := run("INSERT OR ROLLBACK INTO work VALUES (0, 0, 0)"); err != nil {
			return err
		}
		return errors.New("a duplicate got in")
	case nestedTrigger:
		if err := run("INSERT INTO outer_t VALUES (?)", -job); err != nil {
			return err
		}
		return errors.New("the trigger let it in")
	case interrupted:
		return run("INSERT INTO work WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT dawdle(x+1) FROM c LIMIT 1000000) SELECT ?, 10+x, 0 FROM c", job)
	case deferredKey:
		return run("INSERT INTO child VALUES (?, 99)", job)
	case panics:
		panic("on purpose")
	case goexits:
		runtime.Goexit()
	case leaseExpiry:
		// Time in which the machine lets nobody here run does not count against the lease.
		for began := time.Now(); ; time.Sleep(450 * time.Millisecond) {
			if time.Since(began) >= 450*time.Millisecond && (run("SELECT 1") != nil || time.Since(began) > time.Minute) {
				break
			}
		}
		_ = run(insertWork, job, int64(3), who)
		return nil
	case swallowed:
		_ = run("INSERT OR FAIL INTO work SELECT ?, 5, 0 UNION ALL SELECT 0, 0, 0", job)
		return nil
	case diskFull:
		// Enough for the cache to spill, or for the COMMIT to need space.
		_ = run("UPDATE work SET who = who WHERE job = 0")
	}
	return run(insertWork, job, int64(2), who)
}

// judge compares what was told with what is.
func (m *model) judge(jobs int) {
	t := m.t
	m.sound(t)
	there := map[int64][]int64{}
	rd, err := m.Read(context.Background(), lane.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	c, err := rd.Open(context.Background(), "SELECT job, part FROM work WHERE job > 0", nil)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ok, err := c.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		row := c.Row()
		there[row[0].Int] = append(there[row[0].Int], row[1].Int)
	}
	missing, present, wrong := 0, 0, 0
	for job := int64(1); job <= int64(jobs); job++ {
		v, ok := m.told.Load(job)
		if !ok {
			t.Fatalf("job %d has no verdict", job)
		}
		s := v.(told)
		whole := len(there[job]) == 2 && there[job][0]+there[job][1] == 3
		switch {
		case s.unsure && (whole || len(there[job]) == 0):
		case s.applied && !whole:
			missing++
			t.Errorf("job %d (%s) was acknowledged and has parts %v", job, faultNames[s.fault], there[job])
		case !s.applied && len(there[job]) > 0:
			present++
			t.Errorf("job %d (%s) failed with %v and has parts %v", job, faultNames[s.fault], s.err, there[job])
		}
		if !plausible(s) {
			wrong++
			t.Errorf("job %d (%s): verdict %v", job, faultNames[s.fault], s.err)
		}
	}
	st := m.Stats().Writer
	for f := range faults {
		t.Logf("%-40s %6d", faultNames[f], m.count[f].Load())
	}
	t.Logf("acknowledged but missing %d, failed but present %d, wrong verdicts %d; not applied for another's fault %d, outcome unknown %d", missing, present, wrong, m.lost.Load(), m.unknown.Load())
	t.Logf("commits %d, jobs per commit %.1f, replayed %d, isolated %d, interrupted %d, leases expired %d, fenced %d", st.Commits, float64(st.Jobs)/float64(st.Commits), st.Replayed, st.Isolated, st.Limits.Interrupted, st.Limits.Expired, st.Limits.Fenced)
	t.Logf("outcomes of COMMITs that failed: %+v", st.Outcome)
	if st.Outcome.Missing == 0 || st.Outcome.Unknown > 0 {
		t.Errorf("%d outcomes stayed unknown; outcomes %+v", m.unknown.Load(), st.Outcome)
	}
	if m.lost.Load() > int64(jobs)/20 {
		t.Errorf("%d of %d jobs were lost for another's fault", m.lost.Load(), jobs)
	}
}

// plausible reports whether the error belongs to the fault. Anybody may have been lost with a group whose disk was full or
// whose statement was interrupted, and anybody may have met the full disk.
func plausible(s told) bool {
	kind := sqlite.ClassOf(s.err)
	if s.unsure {
		return true // judge counts them
	}
	if s.err != nil && (errors.Is(s.err, lane.ErrNotApplied) || kind == sqlite.Full || kind == sqlite.Fsync) {
		return true
	}
	switch s.fault {
	case none, diskFull, syncFails, commitFails:
		return s.err == nil
	case constraint, orRollback, nestedTrigger, deferredKey, swallowed:
		return kind == sqlite.Constraint
	case callerError:
		return errors.Is(s.err, errCaller)
	case interrupted, leaseExpiry:
		return errors.Is(s.err, lane.ErrLeaseExpired)
	case panics, goexits:
		return s.err != nil
	}
	return false
}
