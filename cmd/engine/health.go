package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/server"
	"github.com/tidegate/engine/internal/shell"
)

var healthVerb = verb{name: "health", summary: "check that the database can be relied on; exit code 1 if not; end a quarantine", run: runHealth}

// exitDown is the exit code of a database that cannot even be read; that of a wrong command line is exitUsage.
const exitDown = 3

const healthExamples = `  engine health
  engine health --db sqlite:////var/lib/desk/production_trading.db --json
  engine health && start-trading
  engine health --server unix:/run/tidegate/engine.sock   # of that server and nobody else
  engine health --reset          # why it is in quarantine, and whether it is whole again
  engine health --reset --yes    # ends the quarantine of a database that is whole

Where an ` + "`engine serve`" + ` runs on the database, it is asked: it knows of its own lines, breakers and snapshots. Otherwise, and with --local, the
database is opened for the checks. A WARNING is work for an operator while the database serves on.

Exit codes: 0 well, 1 degraded (it can be read; the checks say what is wrong), 2 the command line was wrong, 3 down (not even reading works).
With --reset: 0 not in quarantine, or released; 1 still in quarantine; 3 as above.
`

// healthFlags are those of engine health.
type healthFlags struct {
	settings           *sources
	asJSON, reset, yes bool
	local, server      bool
	timeout            time.Duration
}

func (h *healthFlags) mistake(positional []string) error {
	switch {
	case len(positional) > 0:
		return errors.New("takes no arguments: name the database with --db")
	case h.yes && !h.reset:
		return errors.New("--yes belongs to --reset")
	case h.local && h.server:
		return errors.New("--local asks no server, and --server names one: give one of the two")
	case h.reset && h.server:
		return errors.New("--reset is done on the database itself, by whoever may write its files: name it with --db")
	case h.timeout < 0:
		return errors.New("--timeout must not be negative")
	}
	return nil
}

func runHealth(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("health", "[flags]", healthExamples)
	h := healthFlags{settings: remoteFlags(f)}
	f.BoolVar(&h.asJSON, "json", false, "print one JSON object")
	f.BoolVar(&h.local, "local", false, "open the database for the checks even where a server runs on it")
	f.DurationVar(&h.timeout, "timeout", 10*time.Second, "how long the checks may take; with --reset 0 is without limit")
	f.BoolVar(&h.reset, "reset", false, "say why the database is in quarantine, check it, and with --yes release it")
	f.BoolVar(&h.yes, "yes", false, "with --reset: release it if it is whole")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	h.server = given(f, "server")
	if err := h.mistake(positional); err != nil {
		return misuse(stderr, "engine health", err)
	}
	if h.reset && !given(f, "timeout") {
		h.timeout = 0 // the check reads the whole database
	}
	if h.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.timeout)
		defer cancel()
	}
	settings, err := h.settings.load()
	if err != nil {
		failure(stderr, "health", err)
		return exitDown
	}
	if !h.local && !h.reset {
		r, asked, err := askServer(ctx, settings, h.server)
		switch {
		case err != nil:
			failure(stderr, "health", err)
			return exitDown
		case asked:
			return tellHealth(r, h.asJSON, stdout, stderr)
		}
	}
	cfg := configure(ctx, settings.Engine.URL)
	cfg.Health = settings.Engine.Health
	db, err := openExisting(ctx, cfg)
	if err != nil {
		failure(stderr, "health", err)
		return exitDown
	}
	defer db.Close()
	if h.reset {
		return resetQuarantine(ctx, db, h.yes, stdout, stderr)
	}
	found := db.Health(ctx)
	return tellHealth(&healthReport{HealthReport: server.ReportOf(&found, true), By: "this program, which opened the database for it"}, h.asJSON, stdout, stderr)
}

// healthReport is what --json prints.
type healthReport struct {
	server.HealthReport
	// By says who has looked.
	By string `json:"by"`
}

// askServer asks the server that runs on the database. asked is false where there is none: nobody listens, or whoever does knows the token of
// another database. must is for a server that was named: it has to answer.
func askServer(ctx context.Context, settings *config.Settings, must bool) (r *healthReport, asked bool, err error) {
	s, err := connectTo(settings)
	if err != nil {
		if !must && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, errNoTokenFile)) {
			return nil, false, nil
		}
		return nil, false, err
	}
	_, text, err := s.send(ctx, "/readyz", nil)
	var absent *absentError
	if errors.As(err, &absent) && !must {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("the server on %s: %w", s.where, err)
	}
	r = &healthReport{By: "engine serve on " + s.where}
	if json.Unmarshal(text, &r.HealthReport) == nil && r.Level != "" && (r.Draining || len(r.Checks) > 0 && r.Checks[0].Detail != "") {
		return r, true, nil
	}
	switch {
	case !must:
		return nil, false, nil
	case len(r.Checks) > 0 || r.Draining: // it speaks, and takes us for a stranger
		return nil, false, &refusedError{kind: "token"}
	}
	return nil, false, fmt.Errorf("what answers on %s is no `engine serve`: --server names another", s.where)
}

// tellHealth prints a report and returns its exit code.
func tellHealth(r *healthReport, asJSON bool, stdout, stderr io.Writer) int {
	if err := printHealth(stdout, r, asJSON); err != nil {
		return failure(stderr, "health", err)
	}
	switch r.Level {
	case engine.HealthOK.String():
		return exitOK
	case engine.HealthDegraded.String():
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
		fmt.Fprintln(stdout, "  "+shell.Plain(line))
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

func printHealth(w io.Writer, r *healthReport, asJSON bool) error {
	if asJSON {
		return printIndented(w, r)
	}
	if r.Draining {
		_, err := fmt.Fprintf(w, "%s is about to stop\n", r.By)
		return err
	}
	t := newTable(w, []string{"check", "state", "detail", "remedy"})
	for _, c := range r.Checks {
		if err := t.row(shell.CheckRow(c.Name, c.OK, c.Ready, c.Detail, c.Remedy)); err != nil {
			return err
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, says %s\n", r.Level, r.By)
	return err
}
