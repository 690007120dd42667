package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

var healthVerb = verb{name: "health", summary: "check that the database can be relied on; exit code 1 if not; end a quarantine", run: runHealth}

// exitDown is the exit code of a database that cannot even be read; that of a wrong command line is exitUsage.
const exitDown = 3

const healthExamples = `  engine health
  engine health --db sqlite:////var/lib/desk/production_trading.db --json
  engine health && start-trading
  engine health --reset          # why it is in quarantine, and whether it is whole again
  engine health --reset --yes    # ends the quarantine of a database that is whole

Exit codes: 0 well, 1 degraded (it can be read; the checks say what is wrong), 2 the command line was wrong, 3 down (not even reading works).
With --reset: 0 not in quarantine, or released; 1 still in quarantine; 3 as above.
`

// checked is what --json prints about one check.
type checked struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// report is what --json prints.
type report struct {
	OK       bool       `json:"ok"`
	Level    string     `json:"level"`
	Checks   []checked  `json:"checks"`
	Breakers []switched `json:"breakers"`
}

// switched is what --json prints about one circuit breaker.
type switched struct {
	Name       string `json:"name"`
	State      string `json:"state"`
	Since      string `json:"since,omitempty"` // RFC 3339
	RetryAfter int64  `json:"retry_after_ms,omitempty"`
	Failures   uint64 `json:"failures"`
	Opened     uint64 `json:"opened"`
	Refused    uint64 `json:"refused"`
}

func switchedOf(b engine.BreakerStats) switched {
	s := switched{Name: b.Name, State: b.State.String(), RetryAfter: b.RetryAfter.Milliseconds(), Failures: b.Failures, Opened: b.Opened, Refused: b.Refused}
	if !b.Since.IsZero() {
		s.Since = b.Since.UTC().Format(time.RFC3339)
	}
	return s
}

func runHealth(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("health", "[flags]", healthExamples)
	url := databaseFlag(f)
	asJSON := f.Bool("json", false, "print one JSON object")
	timeout := f.Duration("timeout", 10*time.Second, "how long the checks may take; with --reset 0 is without limit")
	reset := f.Bool("reset", false, "say why the database is in quarantine, check it, and with --yes release it")
	yes := f.Bool("yes", false, "with --reset: release it if it is whole")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine health", fmt.Errorf("takes no arguments: name the database with --db"))
	}
	if *yes && !*reset {
		return misuse(stderr, "engine health", fmt.Errorf("--yes belongs to --reset"))
	}
	if *reset && !given(f, "timeout") {
		*timeout = 0 // the check reads the whole database
	}
	if *timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *timeout)
		defer cancel()
	}
	db, err := openExisting(ctx, configure(ctx, *url))
	if err != nil {
		failure(stderr, "health", err)
		return exitDown
	}
	defer db.Close()
	if *reset {
		return resetQuarantine(ctx, db, *yes, stdout, stderr)
	}
	h := db.Health(ctx)
	if err := printHealth(stdout, h, *asJSON); err != nil {
		return failure(stderr, "health", err)
	}
	switch h.Level() {
	case engine.HealthOK:
		return exitOK
	case engine.HealthDegraded:
		return exitError
	}
	return exitDown
}

// given reports whether a flag stands on the command line.
func given(f *flag.FlagSet, name string) bool {
	found := false
	f.Visit(func(g *flag.Flag) { found = found || g.Name == name })
	return found
}

// resetQuarantine tells an operator why the database is in quarantine and what the check finds, and releases it where both agree.
func resetQuarantine(ctx context.Context, db *engine.DB, yes bool, stdout, stderr io.Writer) int {
	q := db.Quarantine()
	why := q.Err()
	if why == nil {
		fmt.Fprintln(stdout, "the database is not in quarantine")
		return exitOK
	}
	fmt.Fprintln(stdout, strings.TrimPrefix(why.Error(), "engine: "))
	fmt.Fprintln(stdout, "checking the whole database …")
	found, err := q.Check(ctx)
	if err != nil {
		failure(stderr, "health", err)
		fmt.Fprintln(stdout, "the check did not come to its end: the quarantine stays; restore a backup")
		return exitError
	}
	for _, line := range found {
		fmt.Fprintln(stdout, "  "+line)
	}
	switch {
	case len(found) > 0:
		fmt.Fprintf(stdout, "%d findings: the quarantine stays; restore a backup\n", len(found))
		return exitError
	case !yes:
		fmt.Fprintln(stdout, "nothing wrong was found; `engine health --reset --yes` ends the quarantine")
		return exitError
	}
	if err := q.Reset(ctx); err != nil {
		return failure(stderr, "health", err)
	}
	fmt.Fprintln(stdout, "nothing wrong was found: the quarantine is over; programs that opened the database during it must reopen it")
	return exitOK
}

func printHealth(w io.Writer, h engine.Health, asJSON bool) error {
	if asJSON {
		r := report{OK: h.OK, Level: h.Level().String(), Checks: []checked{}, Breakers: []switched{}}
		for _, b := range h.Breakers {
			r.Breakers = append(r.Breakers, switchedOf(b))
		}
		for _, c := range h.Checks {
			r.Checks = append(r.Checks, checked(c))
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	t := newTable(w, []string{"check", "state", "detail", "remedy"})
	for _, c := range h.Checks {
		state, remedy := "ok", c.Remedy
		if !c.OK {
			state = "FAILED"
		}
		if remedy == "" {
			remedy = "-"
		}
		if err := t.row([]any{c.Name, state, c.Detail, remedy}); err != nil {
			return err
		}
	}
	return t.end()
}
