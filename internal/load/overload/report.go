package overload

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/internal/load"
)

// Report is what a run measured. Times are in milliseconds, rates a second.
type Report struct {
	Times    float64  `json:"times"`
	Work     float64  `json:"work_ms"` // what one call needs
	Seconds  float64  `json:"duration_s"`
	Seed     uint64   `json:"seed"`
	Writer   Lane     `json:"writer"`
	Readers  Lane     `json:"readers"`
	Breakers []string `json:"breakers_opened,omitempty"`
}

// Lane is one lane's part.
type Lane struct {
	Unloaded   float64          `json:"unloaded_p95_ms"` // of one caller alone
	Saturated  float64          `json:"saturated_per_s"` // the most in a closed loop
	Offered    float64          `json:"offered_per_s"`
	Done       float64          `json:"done_per_s"`
	Throughput float64          `json:"throughput_ratio"` // done over saturated
	Accepted   Took             `json:"accepted"`         // from the call to its return
	Refused    Took             `json:"refused"`          // the same of those that were turned away
	RetryAfter Took             `json:"retry_after"`      // what those were told
	Generator  float64          `json:"generator_late_p95_ms"`
	Reasons    map[string]int64 `json:"refused_by_reason"`
	Speechless int64            `json:"refused_without_retry_after"`
	Errors     int64            `json:"errors"` // for another reason than load, in all phases

	acknowledged int64 // writes, all phases together
	first        error
}

// Took is a distribution of times.
type Took struct {
	Calls int64   `json:"calls"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func took(h *load.Histogram) Took {
	return Took{h.Count(), ms(h.Quantile(0.5)), ms(h.Quantile(0.95)), ms(h.Quantile(0.99)), ms(h.Max())}
}

func (l *Lane) unloaded(alone, full *load.Result) {
	l.Unloaded = ms(alone.Streams[0].Latency.Quantile(0.95))
	l.Saturated = full.PerSecond(full.Streams[0].Done)
	l.acknowledged = alone.Streams[0].Done + full.Streams[0].Done
}

func (l *Lane) overloaded(w *watch) {
	s, spent := &w.seen, w.generated.Seconds()
	l.Offered, l.Done = float64(s.offered)/spent, float64(s.done)/spent
	if l.Saturated > 0 {
		l.Throughput = l.Done / l.Saturated
	}
	l.Accepted, l.Refused, l.RetryAfter, l.Generator = took(&s.accepted), took(&s.refused), took(&s.advice), ms(s.late.Quantile(0.95))
	l.Reasons, l.Speechless = s.reasons, s.speechless
	l.acknowledged += s.done
}

// failed counts the calls of all phases that failed for another reason than load.
func (l *Lane) failed(phases ...*seen) {
	for _, s := range phases {
		if l.Errors += s.failed; l.first == nil {
			l.first = s.first
		}
	}
}

// The bars: those of the promise that load is refused and what is accepted goes on as ever.
const (
	barTimes      = 3.0  // accepted p95 over the unloaded one
	barTarget     = 5.0  // ms, and the queue's target
	barThroughput = 0.9  // of what is done when saturated
	barAtOnce     = 10.0 // ms, p95 of being turned away: some are let in and find that more has come than was thought
)

// Missed lists the bars that were missed, in words; nil where none was.
func (r *Report) Missed() (missed []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			missed = append(missed, fmt.Sprintf(format, args...))
		}
	}
	for _, part := range r.parts() {
		l := part.Lane
		bar := barTimes*l.Unloaded + barTarget
		check(l.Accepted.P95 <= bar, "%s: accepted p95 is %.1f ms, the bar is %.1f", part.name, l.Accepted.P95, bar)
		check(l.Throughput >= barThroughput, "%s: %.2f of the saturated rate is done, the bar is %g", part.name, l.Throughput, barThroughput)
		check(l.Refused.Calls > 0, "%s: nothing was refused: it was no overload", part.name)
		check(l.Refused.P95 <= barAtOnce, "%s: being turned away takes %.1f ms (p95), the bar is %g", part.name, l.Refused.P95, barAtOnce)
		check(l.Speechless == 0, "%s: %d were turned away without RetryAfter", part.name, l.Speechless)
	}
	check(len(r.Breakers) == 0, "load opened the breakers %q", r.Breakers)
	return missed
}

// Failed is the first error that was not for load, nil where there was none.
func (r *Report) Failed() error {
	for _, part := range r.parts() {
		if part.first != nil {
			return fmt.Errorf("%s: %w", part.name, part.first)
		}
	}
	return nil
}

type part struct {
	name string
	*Lane
}

func (r *Report) parts() []part { return []part{{"writer", &r.Writer}, {"readers", &r.Readers}} }

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "load          %g times what each lane can do, for %.0f s; a call works for %g ms; seed %d\n\n", r.Times, r.Seconds, r.Work, r.Seed)
	fmt.Fprintf(&b, "%-10s %14s %12s %10s %10s %10s %12s\n", "", "unloaded p95", "saturated/s", "offered/s", "done/s", "ratio", "errors")
	for _, p := range r.parts() {
		fmt.Fprintf(&b, "%-10s %11.2f ms %12.0f %10.0f %10.0f %10.2f %12d\n", p.name, p.Unloaded, p.Saturated, p.Offered, p.Done, p.Throughput, p.Errors)
	}
	fmt.Fprintf(&b, "\n%-24s %9s %9s %9s %9s %9s\n", "", "calls", "p50 ms", "p95 ms", "p99 ms", "max ms")
	for _, p := range r.parts() {
		for _, t := range []struct {
			what string
			Took
		}{{"accepted", p.Accepted}, {"refused", p.Refused}, {"told RetryAfter", p.RetryAfter}} {
			fmt.Fprintf(&b, "%-24s %9d %9.2f %9.2f %9.2f %9.2f\n", p.name+" "+t.what, t.Calls, t.P50, t.P95, t.P99, t.Max)
		}
	}
	fmt.Fprintln(&b)
	for _, p := range r.parts() {
		var why []string
		for _, reason := range slices.Sorted(maps.Keys(p.Reasons)) {
			why = append(why, fmt.Sprintf("%s %d", reason, p.Reasons[reason]))
		}
		fmt.Fprintf(&b, "%-10s refused for: %s; without RetryAfter %d; the generator was late by %.2f ms (p95)\n", p.name,
			strings.Join(why, ", "), p.Speechless, p.Generator)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
