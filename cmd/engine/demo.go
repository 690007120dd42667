package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/desk/floor"
	"github.com/tidegate/engine/internal/desk/replay"
	"github.com/tidegate/engine/internal/desk/sim"
	"github.com/tidegate/engine/internal/shell"
	"github.com/tidegate/engine/migrations"
)

var demoVerb = verb{name: "demo", summary: "trade from many sessions at once, then report and prove the books", run: runDemo}

const demoExamples = `  engine demo
  engine demo --sessions 400 --duration 1m
  engine demo --db sqlite:///demo.db --json        # the database stays, and may be traded on again
  engine demo --rules                              # order limits, references, calendar and daily limits judge every order
  engine demo --keep                               # keep the temporary database and say where it is

Recorded trades and bars are replayed from --data where that folder exists; all other instruments are simulated from --seed.
The exit code is 1 when an invariant of the books is broken.
`

// defaultData is where recordings lie beside a checkout.
const defaultData = "../shared/data"

// demo is the command line of a run.
type demo struct {
	sources  *sources
	url      string
	data     string
	dataSet  bool
	ledger   string
	flight   string // where the flight recorder's content goes
	seed     uint64
	sessions int
	duration time.Duration
	keep     bool
	rules    bool
	asJSON   bool
}

func runDemo(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var d demo
	f := flags("demo", "[flags]", demoExamples)
	d.sources = settingFlags(f, "config")
	f.StringVar(&d.url, "db", "", "database `URL`, which gets the trading schema and keeps what is written: never name one that is in use; without it a temporary database is used and removed")
	f.StringVar(&d.data, "data", defaultData, "`folder` with recorded market data")
	f.StringVar(&d.ledger, "ledger", "", "append the id of each acknowledged execution to this `file`")
	f.StringVar(&d.flight, "flight", "", "at the end, write what the flight recorder holds to this `file`, for engine trace dump --file")
	f.Uint64Var(&d.seed, "seed", 1, "decides the simulated market and what venues answer")
	f.IntVar(&d.sessions, "sessions", 100, "how many trade at the same time")
	f.DurationVar(&d.duration, "duration", 20*time.Second, "for how long they trade")
	f.BoolVar(&d.keep, "keep", false, "keep the temporary database")
	f.BoolVar(&d.rules, "rules", false, "have the engine's own policies judge every order")
	f.BoolVar(&d.asJSON, "json", false, "print the report as one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	f.Visit(func(set *flag.Flag) { d.dataSet = d.dataSet || set.Name == "data" })
	switch {
	case len(positional) > 0:
		return misuse(stderr, "engine demo", errors.New("takes no arguments: name the database with --db"))
	case d.sessions < 1:
		return misuse(stderr, "engine demo", fmt.Errorf("--sessions must be at least 1"))
	case d.duration <= 0:
		return misuse(stderr, "engine demo", fmt.Errorf("--duration must be more than nothing"))
	}
	report, err := d.run(ctx, stderr)
	if err != nil {
		return failure(stderr, "demo", err)
	}
	if err := d.print(stdout, report); err != nil {
		return failure(stderr, "demo", err)
	}
	if !report.Sound {
		fmt.Fprintln(stderr, "engine demo: the books are broken, see the invariants above")
		return exitError
	}
	return exitOK
}

func (d *demo) run(ctx context.Context, stderr io.Writer) (_ *floor.Report, err error) {
	recordings, err := d.recordings()
	if err != nil {
		return nil, err
	}
	if d.url == "" {
		dir, err := os.MkdirTemp("", "engine-demo-")
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, "production_trading.db")
		d.url = "sqlite:///" + filepath.ToSlash(path)
		if d.keep {
			fmt.Fprintf(stderr, "database: %s\n", path)
		} else {
			defer os.RemoveAll(dir)
		}
	}
	var rules []config.Builtin
	if d.rules {
		rules = demoRules()
	}
	db, err := d.sources.ruledBy(ctx, stderr, rules, func(cfg *engine.Config) { cfg.URL, cfg.Create, cfg.Migrations = d.url, true, migrations.FS })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	run := floor.Config{Seed: d.seed, Sessions: d.sessions, Duration: d.duration, Recordings: recordings, Faults: sim.DefaultFaults(), Progress: progress(stderr)}
	if d.ledger != "" {
		file, err := os.OpenFile(d.ledger, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		run.Acknowledged = func(execID int64) error {
			_, err := file.Write(append(strconv.AppendInt(nil, execID, 10), '\n')) // one call: lines of others cannot get in between
			return err
		}
	}
	report, err := floor.Run(ctx, db.DB, run)
	if err == nil && d.rules {
		printRules(stderr, db.Rules().Stats())
	}
	if err == nil && d.flight != "" {
		if err = shell.Spare(d.url, d.flight); err == nil {
			err = writeOperations(db.DB, d.flight)
		}
	}
	return report, err
}

// recordings loads the data folder: the default one if it is there, a named
// one in any case.
func (d *demo) recordings() ([]*replay.Recording, error) {
	if _, err := os.Stat(d.data); err != nil {
		if d.dataSet {
			return nil, fmt.Errorf("--data: %w", err)
		}
		return nil, nil
	}
	return replay.Load(d.data)
}

func progress(stderr io.Writer) func(floor.Progress) {
	return func(p floor.Progress) {
		fmt.Fprintf(stderr, "%4.0f s  %6d transactions/s  %5d fills/s  %4d waiting  WAL %.1f MB\n",
			p.Elapsed.Seconds(), p.Transactions, p.Fills, p.Waiting, float64(p.WALBytes)/1e6)
	}
}

func (d *demo) print(stdout io.Writer, r *floor.Report) error {
	if !d.asJSON {
		return r.Print(stdout)
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
