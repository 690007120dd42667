package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

var benchVerb = verb{name: "bench", summary: "measure the engine on this machine", run: runBench}

// benches lists what can be measured.
func benches() []verb {
	return []verb{signalsBench, overloadBench}
}

const benchExamples = `  engine bench signals
  engine bench signals --versus naive,single --json
  engine bench overload --check
  engine bench signals --help
`

// runBench picks the benchmark.
func runBench(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, b := range benches() {
			if b.name == args[0] {
				return b.run(ctx, args[1:], stdout, stderr)
			}
		}
	}
	var names, list strings.Builder
	for _, b := range benches() {
		fmt.Fprintf(&names, " %s", b.name)
		fmt.Fprintf(&list, "  %-9s %s\n", b.name, b.summary)
	}
	f := flags("bench", "<benchmark> [flags]", benchExamples+"\nBenchmarks:\n"+list.String())
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) == 0 {
		return misuse(stderr, "engine bench", fmt.Errorf("name a benchmark:%s", &names))
	}
	return misuse(stderr, "engine bench", fmt.Errorf("no benchmark %q; there is:%s", positional[0], &names))
}
