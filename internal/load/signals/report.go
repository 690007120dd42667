package signals

import (
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/load"
)

// Report is what a run measured. Times are in milliseconds, rates a second, sizes in MB.
type Report struct {
	Asked
	Writes      Stream          `json:"writes"`
	Reads       Stream          `json:"reads"`
	Fairness    Fairness        `json:"fairness"`
	TxnPerFsync float64         `json:"txn_per_fsync"` // of the open loop; 0: nothing was synced
	Commits     Commits         `json:"commits"`
	RSS         float64         `json:"rss_mb"` // of the process at the end of the open loop, generator included
	Timer       Timer           `json:"generator"`
	Saturation  Saturation      `json:"saturation"`
	Versus      map[string]Peer `json:"versus,omitempty"`
	Calibration Calibration     `json:"calibration"`

	state
}

// Asked is what was offered, and how.
type Asked struct {
	Sessions   int     `json:"sessions"`
	Seconds    float64 `json:"duration_s"`
	Durability string  `json:"durability"`
	Arrivals   string  `json:"arrivals"`
	Seed       uint64  `json:"seed"`
}

// state is what a report remembers beside what it prints.
type state struct {
	failed int64
	first  error
}

// Stream is a kind of operation of the open loop. Latencies are from the scheduled arrival.
type Stream struct {
	Offered float64 `json:"offered_per_s"`
	Done    float64 `json:"done_per_s"`
	P50     float64 `json:"p50_ms"`
	P95     float64 `json:"p95_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
	Errors  int64   `json:"errors"`
}

// Fairness is how sessions fared beside each other.
type Fairness struct {
	SlowestOverMean float64 `json:"slowest_over_mean"`
}

// Timer is how late the generator itself woke up, which is part of every latency.
type Timer struct {
	P50 float64 `json:"timer_p50_ms"`
	P95 float64 `json:"timer_p95_ms"`
	P99 float64 `json:"timer_p99_ms"`
}

// Commits is what the writer lane did in the open loop, averages both: a COMMIT with its fsync, and a checkpoint, during which
// nothing is written.
type Commits struct {
	Groups       float64 `json:"groups_per_s"`
	CommitMS     float64 `json:"commit_mean_ms"`
	Checkpoints  float64 `json:"checkpoints_per_s"`
	CheckpointMS float64 `json:"checkpoint_mean_ms"`
}

// Saturation is the most that the engine does, in a closed loop of writes alone.
type Saturation struct {
	Writes          float64 `json:"writes_per_s"`
	P95             float64 `json:"p95_ms"`
	Errors          int64   `json:"errors"`
	TxnPerFsync     float64 `json:"txn_per_fsync"`
	SlowestOverMean float64 `json:"slowest_over_mean"`
}

// Peer is the same of another way to use SQLite. Ratio is the engine's rate over it.
type Peer struct {
	Writes          float64 `json:"saturation_writes_per_s"`
	P95             float64 `json:"p95_ms"`
	Errors          int64   `json:"errors"`
	SlowestOverMean float64 `json:"slowest_over_mean"`
	Ratio           float64 `json:"ratio"`
}

// Calibration is the machine in this run, the slower of before and after: 4 KiB appends with fsync by one caller, and
// prepared SELECTs of one row by one caller with the bare driver under database/sql.
type Calibration struct {
	Fsync   float64 `json:"fsync_per_s"`
	Select  float64 `json:"select_per_s"`
	Fsync50 float64 `json:"fsync_p50_ms"`
	Fsync95 float64 `json:"fsync_p95_ms"`
	Fsync99 float64 `json:"fsync_p99_ms"`
}

func (c Calibration) slower(o Calibration) Calibration {
	return Calibration{min(c.Fsync, o.Fsync), min(c.Select, o.Select), max(c.Fsync50, o.Fsync50), max(c.Fsync95, o.Fsync95), max(c.Fsync99, o.Fsync99)}
}

func newReport(c Config) *Report {
	r := &Report{Asked: Asked{Sessions: c.Sessions, Seconds: c.Duration.Seconds(), Durability: "full", Arrivals: "poisson", Seed: c.Seed}}
	if c.Durability != engine.Durable {
		r.Durability = "relaxed"
	}
	if c.Even {
		r.Arrivals = "even"
	}
	return r
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r *Report) opened(res *load.Result, d time.Duration) {
	for i, to := range []*Stream{&r.Writes, &r.Reads} {
		o := &res.Streams[i]
		*to = Stream{Offered: float64(o.Offered) / d.Seconds(), Done: res.PerSecond(o.Done), P50: ms(o.Latency.Quantile(0.5)),
			P95: ms(o.Latency.Quantile(0.95)), P99: ms(o.Latency.Quantile(0.99)), Max: ms(o.Latency.Max()), Errors: o.Errors}
		r.met(o.First)
	}
	r.failed += res.Streams[0].Errors
	r.Fairness.SlowestOverMean = res.Fairness()
	r.Timer = Timer{ms(res.Timer.Quantile(0.5)), ms(res.Timer.Quantile(0.95)), ms(res.Timer.Quantile(0.99))}
}

func (r *Report) committed(before, after engine.Stats) {
	mean := func(total time.Duration, n uint64) float64 { return ms(total) / float64(max(n, 1)) }
	r.TxnPerFsync = perSync(before, after)
	groups, checkpoints := after.Writer.Commits-before.Writer.Commits, after.WAL.Checkpoints-before.WAL.Checkpoints
	r.Commits = Commits{Groups: float64(groups) / r.Seconds, CommitMS: mean(after.Writer.CommitTime-before.Writer.CommitTime, groups),
		Checkpoints: float64(checkpoints) / r.Seconds, CheckpointMS: mean(after.WAL.Time-before.WAL.Time, checkpoints)}
}

func (r *Report) saturated(res *load.Result, perSync float64) {
	o := &res.Streams[0]
	r.failed += o.Errors
	r.met(o.First)
	r.Saturation = Saturation{Writes: res.PerSecond(o.Done), P95: ms(o.Latency.Quantile(0.95)), Errors: o.Errors, TxnPerFsync: perSync, SlowestOverMean: res.Fairness()}
}

// compared adds a peer. Its errors are its own: they are reported and fail nothing.
func (r *Report) compared(name string, res *load.Result) {
	o := &res.Streams[0]
	p := Peer{Writes: res.PerSecond(o.Done), P95: ms(o.Latency.Quantile(0.95)), Errors: o.Errors, SlowestOverMean: res.Fairness()}
	if p.Writes > 0 {
		p.Ratio = r.Saturation.Writes / p.Writes
	}
	if r.Versus == nil {
		r.Versus = map[string]Peer{}
	}
	r.Versus[name] = p
}

func (r *Report) met(err error) {
	if r.first == nil {
		r.first = err
	}
}

// Failed is the first error of an operation of the engine, the warm-up included; nil where none failed.
func (r *Report) Failed() error { return r.first }

// The bars of criterion R1.1, for 1,000 writes and 2,000 reads a second from a hundred sessions on two cores, and of R1.2 for
// fairness.
const (
	barWrite95, barWrite99, barRead95 = 5.0, 15.0, 5.0
	barFair                           = 1.0 / 3
	barDone                           = 0.99 // of what was offered
)

// Missed lists the bars that were missed, in words; nil where none was.
func (r *Report) Missed() (missed []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			missed = append(missed, fmt.Sprintf(format, args...))
		}
	}
	check(r.Writes.P95 < barWrite95, "write p95 is %.2f ms, the bar is %g", r.Writes.P95, barWrite95)
	check(r.Writes.P99 < barWrite99, "write p99 is %.2f ms, the bar is %g", r.Writes.P99, barWrite99)
	check(r.Reads.P95 < barRead95, "read p95 is %.2f ms, the bar is %g", r.Reads.P95, barRead95)
	check(r.Fairness.SlowestOverMean >= barFair, "the slowest session did %.2f of the mean, the bar is a third", r.Fairness.SlowestOverMean)
	for _, s := range []struct {
		name string
		Stream
	}{{"writes", r.Writes}, {"reads", r.Reads}} {
		check(s.Done >= s.Offered*barDone, "%.0f %s/s were done of %.0f offered", s.Done, s.name, s.Offered)
	}
	return missed
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	p := &printer{w: w}
	p.line("load          %d sessions for %.0f s, %s arrivals, seed %d, durability %s", r.Sessions, r.Seconds, r.Arrivals, r.Seed, r.Durability)
	c := r.Calibration
	p.line("calibration   %.0f fsyncs/s (p50 %.2f ms, p95 %.2f, p99 %.2f), %.0f selects/s by one caller", c.Fsync, c.Fsync50, c.Fsync95, c.Fsync99, c.Select)
	p.line("")
	p.line("%-12s %10s %10s %9s %9s %9s %9s %7s", "from arrival", "offered/s", "done/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors")
	for _, s := range []struct {
		name string
		Stream
	}{{"writes", r.Writes}, {"reads", r.Reads}} {
		p.line("%-12s %10.0f %10.0f %9.2f %9.2f %9.2f %9.2f %7d", s.name, s.Offered, s.Done, s.P50, s.P95, s.P99, s.Max, s.Errors)
	}
	p.line("%-12s %10s %10s %9.2f %9.2f %9.2f   of these, how late the generator's timer was", "timer", "", "", r.Timer.P50, r.Timer.P95, r.Timer.P99)
	p.line("fairness      the slowest session did %.2f of the mean", r.Fairness.SlowestOverMean)
	p.line("group commit  %.1f transactions per fsync; %.0f commits/s of %.2f ms, %.1f checkpoints/s of %.2f ms on average", r.TxnPerFsync,
		r.Commits.Groups, r.Commits.CommitMS, r.Commits.Checkpoints, r.Commits.CheckpointMS)
	p.line("memory        %.0f MB resident", r.RSS)
	p.line("")
	p.line("%-12s %10s %9s %13s %10s %7s %7s", "saturation", "writes/s", "p95 ms", "slowest/mean", "txn/fsync", "errors", "ratio")
	s := r.Saturation
	p.line("%-12s %10.0f %9.2f %13.2f %10.1f %7d", "engine", s.Writes, s.P95, s.SlowestOverMean, s.TxnPerFsync, s.Errors)
	for _, name := range Peers() {
		if v, ran := r.Versus[name]; ran {
			p.line("%-12s %10.0f %9.2f %13.2f %10s %7d %7.1f", name, v.Writes, v.P95, v.SlowestOverMean, "", v.Errors, v.Ratio)
		}
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
