package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/breaker"
	"github.com/tidegate/engine/core/lane"
	"github.com/tidegate/engine/core/retry"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/core/trace"
	"github.com/tidegate/engine/internal/clock"
)

// protection keeps a failure from spreading: circuit breakers for the domains in which the store fails, the pace of retries, and the
// quarantine. Safe for concurrent use.
type protection struct {
	storage    *breaker.Breaker // the device: writes are refused, reads go on without retries
	writing    *breaker.Breaker // space and permission: writes are refused
	opening    *breaker.Breaker // connections cannot be opened: those that are open are used on
	statements *breaker.Keyed   // statements that took their connection with them, by fingerprint
	pacer      *retry.Pacer
	quarantine quarantined
	prober     prober
	vitals     *vitals
}

// The breakers' numbers. They are the engine's own business: no machine has been met that needs others.
const (
	storageFailures   = 20 // a device that fails now and then is retried; one that fails so often is left alone
	writingFailures   = 3  // a full disk does not empty itself
	openingFailures   = 5
	statementFailures = 3
	failureWindow     = time.Minute
	statementWindow   = 5 * time.Minute
	firstRest         = 100 * time.Millisecond
	longestRest       = 30 * time.Second
	statementRest     = 30 * time.Second
	statementMaxRest  = 10 * time.Minute
	mostStatements    = 256
)

// protect makes the protection of db and its seams in the lanes and the store.
func (db *DB) protect(c clock.Clock, lanes *lane.Config, opt *sqlite.Options) {
	p := &db.guard
	changed := func(c breaker.Change) { db.breakerChanged(c) }
	domain := func(d retry.Domain, failures, probes int) *breaker.Breaker {
		return breaker.New(breaker.Config{Name: d.String(), Failures: failures, Window: failureWindow, Rest: firstRest, MaxRest: longestRest,
			Probes: probes, Clock: c, Changed: changed})
	}
	p.storage = domain(retry.Storage, storageFailures, 2)
	p.writing = domain(retry.Writing, writingFailures, 1)
	p.opening = domain(retry.Opening, openingFailures, 1)
	p.statements = breaker.NewKeyed(breaker.Config{Domain: "statement", Failures: statementFailures, Window: statementWindow,
		Rest: statementRest, MaxRest: statementMaxRest, Probes: 1, Clock: c, Changed: changed}, mostStatements)
	p.pacer = retry.NewPacer(retry.DefaultBackoff(), c)
	p.prober.init(db, c)
	lanes.Admission = lane.Admission{Write: db.mayWrite, Retry: p.pacer.Take, Failed: func(phase retry.Phase, err error) {
		db.note(context.Background(), err, phase, nil)
	}}
	opt.Dial = sqlite.Dial{Before: p.mayDial, After: p.dialled}
}

// mayWrite is asked ahead of every write.
func (db *DB) mayWrite() error {
	if err := db.guard.storage.Check(); err != nil {
		return err
	}
	return db.guard.writing.Check()
}

// mayDial is asked ahead of opening a connection; whoever needs one while the breaker is half open is its probe.
func (p *protection) mayDial() error {
	_, err := p.opening.Allow()
	return err
}

func (p *protection) dialled(err error) {
	failed := err != nil && retry.Of(err, retry.Open).Domain == retry.Opening
	switch half := p.opening.State() == breaker.HalfOpen; {
	case half && (failed || err == nil):
		p.opening.Settle(err)
	case half:
		p.opening.Withdraw()
	case failed:
		p.opening.Failure(err)
	}
}

// mayRun is asked ahead of a statement.
func (db *DB) mayRun(q *trace.Query) error {
	_, err := db.guard.statements.Allow(q.Fingerprint)
	return err
}

// mayRunAll is mayRun for the statements of a batch. One that comes more than once is asked for once: it may be the probe of its breaker.
func (db *DB) mayRunAll(queries []*trace.Query) error {
	if !db.guard.statements.Any() {
		return nil
	}
	asked := map[uint64]bool{}
	for i, q := range queries {
		if asked[q.Fingerprint] {
			continue
		}
		asked[q.Fingerprint] = true
		if err := db.mayRun(q); err != nil {
			db.unprobed(queries[:i])
			return &BatchError{Statement: i + 1, cause: typed(err, q.Text)}
		}
	}
	return nil
}

// unprobed gives up the probes of statements that have not been run.
func (db *DB) unprobed(queries []*trace.Query) {
	if !db.guard.statements.Any() {
		return
	}
	for _, q := range queries {
		if b := db.guard.statements.Of(q.Fingerprint); b != nil && b.State() == breaker.HalfOpen {
			b.Withdraw()
		}
	}
}

// breakerChanged tells whoever looks after the database, and sends the prober on its way. It runs under the breaker's lock.
func (db *DB) breakerChanged(c breaker.Change) {
	level := slog.LevelInfo
	if c.To == breaker.Open {
		level = slog.LevelError
	}
	db.log.Log(context.Background(), level, "circuit breaker", "breaker", c.Name, "from", c.From.String(), "to", c.To.String(), "cause", shown(c.Cause), "rest", c.Rest)
	if c.To == breaker.Open {
		db.guard.prober.start()
	}
}

// shown is a cause for the log: a failure of the store in its public form, which holds no values.
func shown(err error) string {
	if err == nil {
		return ""
	}
	return typed(err, "").Error()
}

// note books a failure of the store: it counts against its breaker, and damage puts the database into quarantine. q is the statement
// that met it; nil where there is none.
func (db *DB) note(ctx context.Context, err error, phase retry.Phase, q *trace.Query) {
	op := ""
	if e := storeError(err); e != nil {
		op = e.Op
	}
	if op == "connect" || op == "open" {
		phase = retry.Open
	}
	d := retry.Of(err, phase)
	p := &db.guard
	switch d.Domain {
	case retry.Storage:
		if d.Trip {
			p.prober.verify.Store(true)
			p.storage.Trip(err)
		} else {
			p.storage.Failure(err)
		}
		eventOf(ctx, p.storage)
	case retry.Writing:
		p.writing.Failure(err)
		eventOf(ctx, p.writing)
	case retry.Opening:
		if op != "connect" { // those are counted where they are dialled
			p.opening.Failure(err)
			eventOf(ctx, p.opening)
		}
	case retry.Fingerprint:
		if q != nil && phase != retry.Open {
			p.killed(q, err)
		}
	}
	// A new connection that finds the file damaged speaks of the file that the writer has open.
	if d.Quarantine || op == "connect" && retry.Of(err, retry.Read).Quarantine {
		db.damaged(err, q)
	}
}

// killed counts a connection that a statement took with it.
func (p *protection) killed(q *trace.Query, err error) {
	if b := p.statements.Of(q.Fingerprint); b != nil && b.State() == breaker.HalfOpen {
		p.statements.Settle(q.Fingerprint, err)
		return
	}
	p.statements.Failure(q.Fingerprint, fmt.Sprintf("statement %q (%016x)", q.Summary, q.Fingerprint), err)
}

// eventOf marks the caller's span where a breaker is not closed, so that a trace shows the call that opened it.
func eventOf(ctx context.Context, b *breaker.Breaker) {
	span := oteltrace.SpanFromContext(ctx)
	if s := b.State(); s != breaker.Closed && span.IsRecording() {
		span.AddEvent("engine.breaker", oteltrace.WithAttributes(attribute.String("engine.breaker.name", b.Status().Name),
			attribute.String("engine.breaker.state", s.String())))
	}
}

// met books how a statement ended. Most end well, and then this costs one load.
func (db *DB) met(ctx context.Context, st *trace.Statement, err error) {
	p := &db.guard
	if err == nil {
		if b := p.statements.Of(st.Query.Fingerprint); b != nil {
			p.statements.Settle(st.Query.Fingerprint, nil)
		}
		return
	}
	phase := retry.Read
	if st.Lane == sqlite.Writer.String() {
		phase = retry.Write
		if e := storeError(err); e == nil || !slices.Contains(ownOps, e.Op) {
			return // BEGIN and COMMIT, which belong to many, are booked where they run
		}
	}
	db.note(ctx, err, phase, st.Query)
	if b := p.statements.Of(st.Query.Fingerprint); b != nil && b.State() == breaker.HalfOpen {
		b.Withdraw() // it proved nothing; note has settled what did
	}
}

// ownOps are the steps of a transaction that are one statement's own.
var ownOps = []string{"prepare", "bind", "step", "row"}

// BreakerStats is the state of one circuit breaker.
type BreakerStats = breaker.Status

// RetryStats is what the budget of retries has seen.
type RetryStats = retry.BudgetStats

// breakers lists the breakers of the domains, and those of statements that are not closed.
func (p *protection) breakers() []BreakerStats {
	out := []BreakerStats{p.storage.Status(), p.writing.Status(), p.opening.Status()}
	own := p.statements.Status()
	slices.SortFunc(own, func(a, b BreakerStats) int { return strings.Compare(a.Name, b.Name) })
	return append(out, own...)
}
