package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/load/overload"
)

var overloadBench = verb{name: "overload", summary: "several times what each lane can do: what is accepted, what is refused, how soon", run: runOverload}

const overloadExamples = `  engine bench overload
  engine bench overload --times 10 --duration 30s --json
  engine bench overload --check                      # exit code 1 where a bar of docs/overload.md is missed
  engine bench overload --dir /mnt/disk              # on that disk

The writer and then the readers: one caller alone, as many as saturate the lane, then several times that in an open loop. A call works
for --work inside SQLite, so that the lane limits and not the processor that also makes the load.
The exit code is 1 when a call failed for another reason than load, or an acknowledged write is not there.
`

// overloadRun is the command line of a run.
type overloadRun struct {
	overload.Config
	dir    string
	work   time.Duration
	asJSON bool
	check  bool
}

func runOverload(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	const who = "bench overload"
	var o overloadRun
	f := flags(who, "[flags]", overloadExamples)
	f.StringVar(&o.dir, "dir", "", "`folder` for the database, which is removed afterwards; without it the one for temporary files")
	f.Float64Var(&o.Times, "times", 5, "how many times a lane's capacity is offered")
	f.IntVar(&o.Callers, "callers", 64, "how many saturate a lane")
	f.DurationVar(&o.work, "work", 2*time.Millisecond, "how long a call works")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long the overload is measured, for each lane")
	f.DurationVar(&o.Settle, "settle", 4*time.Second, "how long it goes on before that")
	f.Uint64Var(&o.Seed, "seed", 1, "decides when calls arrive")
	f.BoolVar(&o.asJSON, "json", false, "print the report as one JSON object")
	f.BoolVar(&o.check, "check", false, "fail where a bar is missed")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if err := o.mistake(positional); err != nil {
		return misuse(stderr, "engine "+who, err)
	}
	o.Progress = func(phase string) { fmt.Fprintln(stderr, phase) }
	report, err := o.run(ctx)
	if err != nil {
		return failure(stderr, who, err)
	}
	return concluded(who, report, o.asJSON, o.check, stdout, stderr)
}

func (o *overloadRun) mistake(positional []string) error {
	switch {
	case len(positional) > 0:
		return errors.New("takes no arguments: name the folder with --dir")
	case !(o.Times > 1 && o.Times <= 100):
		return errors.New("--times must be more than 1, and at most 100")
	case o.Callers < 1:
		return errors.New("--callers must be at least 1")
	case o.work < 500*time.Microsecond || o.work > time.Second:
		return errors.New("--work must be between 500µs and 1s: less, and the processor is the limit")
	case o.Duration <= 0 || o.Settle <= 0:
		return errors.New("--duration and --settle must be more than nothing")
	}
	return nil
}

func (o *overloadRun) run(ctx context.Context) (_ *overload.Report, err error) {
	dir, err := os.MkdirTemp(o.dir, "engine-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := configure(ctx, "sqlite:///"+filepath.ToSlash(filepath.Join(dir, "overload.db")))
	cfg.Create = true
	overload.Prepare(&cfg, o.work)
	db, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	report, err := overload.Run(ctx, db, o.Config)
	if err == nil {
		report.Work = float64(o.work) / float64(time.Millisecond)
	}
	return report, err
}
