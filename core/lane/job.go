package lane

import (
	"context"
	"errors"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/sqlite"
)

// JobOptions say what a write transaction wants.
type JobOptions struct {
	Class      Class
	Tenant     string        // on whose behalf, "" for nobody's; see Quotas
	Relaxed    bool          // no fsync of its own
	Name       string        // for errors, spans and statistics
	Hold       time.Duration // longest lease; 0: the lane's
	Idle       time.Duration // longest pause between statements of a lease; 0: only Hold counts
	Replayable bool          // the closure may be run a second time
	RunOnce    bool          // the group ends with this job
	Own        bool          // the engine's own: Admission.Write is not asked
	// Proof, where not nil, tells on a connection that was opened after a failure whether the transaction was committed. It runs on the
	// lane's goroutine and must not call foreign code. What it says holds for the whole group: a transaction that has left nothing behind to tell by
	// returns ErrNoProof.
	Proof func(*sqlite.Conn) (bool, error)
}

// Report tells how a transaction went, for spans and statistics.
type Report struct {
	Group      uint64                // serial number of the group it was committed with; 0: none
	GroupSize  int                   // members of that group
	Queue      time.Duration         // wait for its turn
	Hold       time.Duration         // time on the writer
	Commit     time.Duration         // wait for the group's COMMIT
	Runs       int                   // how often it was run
	CommitSpan oteltrace.SpanContext // of that COMMIT, where it is traced
	Holder     oteltrace.SpanContext // of who held the writer when it came, where somebody did and is traced
	Alone      bool                  // it was moved out of its group because a statement of it could have ended the group
}

// job is a transaction on its way through the lane.
type job struct {
	opt    JobOptions
	ctx    context.Context // the caller's
	run    func(*Tx) error // runs on the lane's goroutine; nil: the connection is lent to the caller
	c      chan signal
	queue  *queue // where it waits or has waited
	tx     *Tx
	report Report
	freed  time.Time // when its work was done
	most   int       // runs that may be followed by another; 0: one

	ticket
}

type signalKind uint8

const (
	sigLent  signalKind = iota // the connection is yours
	sigDone                    // the outcome is in err
	sigAgain                   // lost through no fault of its own: run the closure again
)

type signal struct {
	kind signalKind
	err  error
}

func newJob(ctx context.Context, opt JobOptions, run func(*Tx) error) *job {
	j := &job{ctx: ctx, opt: opt, run: run, c: make(chan signal, 2)}
	j.ticket.job, j.class, j.queued = j, opt.Class, time.Now()
	return j
}

func (j *job) durable() bool { return !j.opt.Relaxed }

// again reports whether the job may be run once more after a run that left nothing behind.
func (j *job) again() bool { return !j.spent() && (j.run != nil || j.opt.Replayable) }

// spent reports whether it has been run as often as it may.
func (j *job) spent() bool { return j.report.Runs > max(1, j.most) }

// told is the report that goes with err. Where the caller left before the lane had done, the lane may still be writing it.
func (j *job) told(err error) Report {
	if errors.Is(err, ErrOutcomeUnknown) {
		return Report{}
	}
	return j.report
}

func (j *job) done(err error) { j.answerWith(signal{sigDone, err}) }

// answerWith ends what the lane does with the job.
func (j *job) answerWith(sig signal) {
	if j.flying {
		j.queue.landed(j)
	}
	j.c <- sig
}

func (j *job) name() string {
	if j.opt.Name == "" {
		return "unnamed"
	}
	return j.opt.Name
}

// answer waits for the lane's answer to a job that it has, past the end of the caller's context: only the lane knows.
func (j *job) answer(grace time.Duration) (signal, error) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case sig := <-j.c:
		return sig, nil
	case <-timer.C:
		return signal{}, &OutcomeError{j.name(), context.Cause(j.ctx)}
	}
}
