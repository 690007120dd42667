// Command torture runs the scenarios of package suite and prints what they found. It fails when one of them does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"

	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(progress)
	only := flags.String("only", "", "run the scenarios whose name or promise matches this regular expression")
	short := flags.Bool("short", false, "the short form, as in CI")
	seed := flags.Uint64("seed", rand.Uint64N(1_000_000), "repeat the run that printed this seed")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	list := flags.Bool("list", false, "list the scenarios and run none")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	if *list {
		for _, s := range suite.Scenarios() {
			fmt.Fprintf(out, "%-4s %-18s %s\n", s.Promise, s.Name, s.About)
		}
		return nil
	}
	o := torture.Options{Scale: torture.Long, Seed: *seed, Only: match, Progress: progress}
	if *short {
		o.Scale = torture.Short
	}
	rows := torture.Run(ctx, suite.Scenarios(), o)
	show := torture.Table
	if *asJSON {
		show = torture.JSON
	}
	if err := show(out, rows); err != nil {
		return err
	}
	switch n := torture.Failures(rows); {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case len(rows) == 0:
		return fmt.Errorf("no scenario matches %q: see --list", *only)
	case n > 0:
		return fmt.Errorf("%d of %d scenarios failed; repeat with --seed %d", n, len(rows), *seed)
	}
	return nil
}
