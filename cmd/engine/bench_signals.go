package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/load/signals"
	"github.com/tidegate/engine/migrations"
)

var signalsBench = verb{name: "signals", summary: "trading signals written and read by many sessions, in an open loop", run: runSignals}

const signalsExamples = `  engine bench signals
  engine bench signals --writes 5000 --reads 10000 --duration 1m
  engine bench signals --versus naive,single --json
  engine bench signals --check                       # exit code 1 where a bar of criterion R1.1 is missed
  engine bench signals --db sqlite:////mnt/disk/bench.db

Operations arrive when the schedule says, whether or not earlier ones are done, and are timed from then: what waits behind a
stall is in the percentiles. After that the engine, and what it is compared with, write as fast as they can: naive is
database/sql with a connection for each of a hundred sessions, single is database/sql with one.
Without --db a database in the folder for temporary files is used and removed: mind that it is on the disk that you mean.
The exit code is 1 when an operation of the engine failed or what was acknowledged is not there.
`

// signalsRun is the command line of a run.
type signalsRun struct {
	signals.Config
	url        string
	durability string
	versus     string
	arrivals   string
	asJSON     bool
	check      bool
}

func runSignals(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	const who = "bench signals"
	var s signalsRun
	f := flags(who, "[flags]", signalsExamples)
	f.StringVar(&s.url, "db", "", "database `URL`, which gets the trading schema and keeps what is written: never name one that is in use; without it a temporary database is used and removed")
	f.IntVar(&s.Sessions, "sessions", 100, "how many operations may be under way at once")
	f.Float64Var(&s.Writes, "writes", 1000, "write transactions offered a second")
	f.Float64Var(&s.Reads, "reads", 2000, "reads offered a second")
	f.DurationVar(&s.Duration, "duration", 10*time.Second, "for how long they are offered")
	f.StringVar(&s.durability, "durability", "full", "what a commit survives: `full` (power loss) or relaxed (the death of the process)")
	f.StringVar(&s.versus, "versus", "", "compare with these, a `list` of naive and single")
	f.StringVar(&s.arrivals, "arrivals", "poisson", "when operations arrive: `poisson` (at random) or even (at equal distances)")
	f.Uint64Var(&s.Seed, "seed", 1, "decides when operations arrive and what they ask for")
	f.BoolVar(&s.asJSON, "json", false, "print the report as one JSON object")
	f.BoolVar(&s.check, "check", false, "fail where a bar of criterion R1.1 is missed")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if err := s.read(positional); err != nil {
		return misuse(stderr, "engine "+who, err)
	}
	s.Progress = func(phase string) { fmt.Fprintln(stderr, phase) }
	report, err := s.run(ctx)
	if err != nil {
		return failure(stderr, who, err)
	}
	return concluded(who, report, s.asJSON, s.check, stdout, stderr)
}

// read checks the command line.
func (s *signalsRun) read(positional []string) error {
	switch {
	case len(positional) > 0:
		return errors.New("takes no arguments: name the database with --db")
	case s.Sessions < 1:
		return errors.New("--sessions must be at least 1")
	case s.Duration <= 0:
		return errors.New("--duration must be more than nothing")
	case !(s.Writes >= 0 && s.Reads >= 0 && s.Writes+s.Reads > 0 && s.Writes+s.Reads < 1e7):
		return errors.New("--writes and --reads: offer something, less than ten million a second")
	}
	switch s.durability {
	case "full":
		s.Durability = engine.Durable
	case "relaxed":
		s.Durability = engine.Relaxed
	default:
		return fmt.Errorf("--durability is full or relaxed, not %q", s.durability)
	}
	switch s.arrivals {
	case "poisson", "even":
		s.Even = s.arrivals == "even"
	default:
		return fmt.Errorf("--arrivals is poisson or even, not %q", s.arrivals)
	}
	for name := range strings.SplitSeq(s.versus, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case !slices.Contains(signals.Peers(), name):
			return fmt.Errorf("--versus takes a list of %s, not %q", strings.Join(signals.Peers(), ", "), name)
		case !slices.Contains(s.Versus, name):
			s.Versus = append(s.Versus, name)
		}
	}
	if s.url != "" {
		where, err := sqlite.ParseURL(s.url)
		if err != nil {
			return err
		}
		if where.Memory {
			return errors.New("--db must be a file: what is measured ends at the disk")
		}
		s.Dir = filepath.Dir(where.Path)
	}
	return nil
}

func (s *signalsRun) run(ctx context.Context) (_ *signals.Report, err error) {
	if s.url == "" {
		if s.Dir, err = os.MkdirTemp("", "engine-bench-"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(s.Dir)) }()
		s.url = "sqlite:///" + filepath.ToSlash(filepath.Join(s.Dir, "production_trading.db"))
	}
	cfg := configure(ctx, s.url)
	cfg.Create, cfg.Migrations = true, migrations.FS
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return signals.Run(ctx, db, s.Config)
}
