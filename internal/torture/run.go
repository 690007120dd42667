package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"text/tabwriter"
	"time"
)

// Verdict is how a scenario ended.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "pass"
	Failed  Verdict = "FAIL"
	Skipped Verdict = "skip"
)

// Row is a scenario's line in the report.
type Row struct {
	Promise  string   `json:"promise"`
	Scenario string   `json:"scenario"`
	Cases    int      `json:"cases"`
	Figures  []Figure `json:"figures"`
	Seed     uint64   `json:"seed"`
	Seconds  float64  `json:"seconds"`
	Verdict  Verdict  `json:"verdict"`
	Why      string   `json:"why,omitempty"` // of a failure or a skip
}

// Options say what to run.
type Options struct {
	Scale    Scale
	Seed     uint64
	Only     *regexp.Regexp // by name or promise; nil: all
	Progress io.Writer      // what the scenarios log; nil: nothing
}

// Run runs the scenarios one after the other. It goes on after a failure; see [Failures].
func Run(ctx context.Context, scenarios []Scenario, o Options) []Row {
	var rows []Row
	for _, s := range scenarios {
		if ctx.Err() != nil {
			break
		}
		if o.Scale == Short && s.LongOnly || o.Only != nil && !o.Only.MatchString(s.Name) && !o.Only.MatchString(s.Promise) {
			continue
		}
		rows = append(rows, runOne(ctx, s, o))
	}
	return rows
}

func runOne(ctx context.Context, s Scenario, o Options) Row {
	began := time.Now()
	log := logger(o.Progress, s.Name, began)
	log("%s, %s form, seed %d", s.About, o.Scale, o.Seed)
	row := Row{Promise: s.Promise, Scenario: s.Name, Seed: o.Seed, Verdict: Passed}
	result, err := inDir(ctx, s, &Env{Scale: o.Scale, Seed: o.Seed, Log: log})
	row.Cases, row.Figures = result.Cases, result.Figures
	row.Seconds = time.Since(began).Round(10 * time.Millisecond).Seconds()
	switch {
	case errors.Is(err, errSkip):
		row.Verdict, row.Why = Skipped, err.Error()
	case err != nil:
		row.Verdict, row.Why = Failed, err.Error()
	case result.Cases == 0:
		row.Verdict, row.Why = Failed, "nothing was tried: 0 cases prove nothing"
	}
	log("%s: %d cases, %s %s", row.Verdict, row.Cases, result, row.Why)
	return row
}

func inDir(ctx context.Context, s Scenario, e *Env) (result Result, err error) {
	if e.Dir, err = TempDir(); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(e.Dir)) }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the scenario panicked: %v", p)
		}
	}()
	return s.Run(ctx, e)
}

func logger(w io.Writer, name string, began time.Time) func(string, ...any) {
	if w == nil {
		return func(string, ...any) {}
	}
	var mu sync.Mutex
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "%8.1fs %-18s %s\n", time.Since(began).Seconds(), name, fmt.Sprintf(format, args...))
	}
}

// Failures counts the rows that failed.
func Failures(rows []Row) int {
	n := 0
	for _, r := range rows {
		if r.Verdict == Failed {
			n++
		}
	}
	return n
}

// Table prints the report for people.
func Table(w io.Writer, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "PROMISE\tSCENARIO\tCASES\tSECONDS\tSEED\tVERDICT\tFIGURES")
	for _, r := range rows {
		note := Result{Figures: r.Figures}.String()
		if r.Why != "" {
			note += " " + r.Why
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%.1f\t%d\t%s\t%s\n", r.Promise, r.Scenario, r.Cases, r.Seconds, r.Seed, r.Verdict, note)
	}
	return tw.Flush()
}

// JSON prints the report as one array.
func JSON(w io.Writer, rows []Row) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(rows)
}
