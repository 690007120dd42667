package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

var benchVerb = verb{name: "bench", summary: "measure the engine on this machine", run: runBench}

// benches lists what can be measured.
func benches() []verb {
	return []verb{signalsBench, overloadBench}
}

const benchHelp = `Usage: engine bench <benchmark> [flags]

Benchmarks:
%s
` + "`engine bench <benchmark> --help`" + ` shows its flags.

Examples:
  engine bench signals
  engine bench signals --versus naive,single --json
  engine bench overload --check
`

// runBench picks the benchmark.
func runBench(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return family{"bench", benchHelp, benches(), exitUsage}.run(ctx, args, stdout, stderr)
}

// benchReport is what a benchmark has found.
type benchReport interface {
	Print(w io.Writer) error
	// Failed is the first call that failed for a reason that is not the benchmark's subject.
	Failed() error
	// Missed lists the bars that were not reached.
	Missed() []string
}

// concluded prints a report and says what is wrong with it. With check a missed bar is a failure.
func concluded(who string, r benchReport, asJSON, check bool, stdout, stderr io.Writer) int {
	printed := r.Print
	if asJSON {
		printed = func(w io.Writer) error {
			encoder := json.NewEncoder(w)
			encoder.SetIndent("", "  ")
			return encoder.Encode(r)
		}
	}
	if err := printed(stdout); err != nil {
		return failure(stderr, who, err)
	}
	if err := r.Failed(); err != nil {
		return failure(stderr, who, fmt.Errorf("calls failed, the first of them: %w", err))
	}
	if missed := r.Missed(); check && len(missed) > 0 {
		return failure(stderr, who, errors.New(strings.Join(missed, "; ")))
	}
	return exitOK
}
