package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/shell"
)

// Exit codes of the program.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// verb is one thing that the program can do.
type verb struct {
	name    string
	summary string // one line, for the list of verbs
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

// verbs lists them in the order in which help shows them.
func verbs() []verb {
	return []verb{demoVerb, benchVerb, queryVerb, execVerb, shellVerb, importVerb, exportVerb, migrateVerb, healthVerb, serveVerb, psVerb, killVerb, traceVerb, topVerb, statsVerb, slowVerb, alertVerb, pluginVerb, configVerb, versionVerb}
}

// run picks the verb, with tracing around it, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	args, mode, err := traceFlag(args)
	if err != nil {
		return misuse(stderr, "engine", err)
	}
	if len(args) == 0 {
		printHelp(stderr)
		return exitUsage
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(rest) == 0 {
			printHelp(stdout)
			return exitOK
		}
		name, rest = rest[0], []string{"--help"}
	}
	for _, v := range verbs() {
		if v.name == name {
			return traced(ctx, mode, v, rest, stdout, stderr)
		}
	}
	return misuse(stderr, "engine", fmt.Errorf("no verb %q: `engine help` lists them", name))
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "Tidegate: an embedded data engine.\n\nUsage: engine <verb> [flags] [arguments]\n\nVerbs:\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-9s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, `
With every verb:
  --help                   its flags, with examples
  --trace off|stdout|otlp  where spans go; the default follows OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_ENDPOINT, else off

Environment: ENGINE_DB names the database; the OTEL_* variables of OpenTelemetry configure what --trace otlp sends and where.
Exit codes: 0 done, 1 the database said no or a check failed, 2 the command line was wrong, 3 (health) the database cannot even be read.
`)
}

// flags makes the flag set of a verb. Its help is the usage line, the flags and the examples.
func flags(name, usage, examples string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // parse says what is wrong
	f.Usage = func() {
		w := f.Output()
		fmt.Fprintf(w, "Usage: engine %s %s\n\nFlags:\n", name, usage)
		f.PrintDefaults()
		fmt.Fprintf(w, "\nExamples:\n%s", examples)
	}
	return f
}

// parse reads flags and positional arguments in any order; after "--" everything is positional. When done is true the verb ends with
// the code.
func parse(f *flag.FlagSet, args []string, stdout, stderr io.Writer) (positional []string, code int, done bool) {
	for len(args) > 0 {
		if i := slices.IndexFunc(args, isText); i >= 0 && !slices.Contains(args[:i], "--") {
			// The words before it may hold flags, it is none, and what comes after it may hold flags again.
			before, code, done := parse(f, args[:i], stdout, stderr)
			if done {
				return nil, code, true
			}
			positional, args = append(append(positional, before...), args[i]), args[i+1:]
			continue
		}
		err := f.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(stdout)
			f.Usage()
			return nil, exitOK, true
		}
		if err != nil {
			return nil, misuse(stderr, "engine "+f.Name(), fmt.Errorf("%w: `engine %s --help` shows the flags", err, f.Name())), true
		}
		rest := f.Args()
		if len(rest) == 0 {
			break
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(positional, rest...), exitOK, false
		}
		positional, args = append(positional, rest[0]), rest[1:]
	}
	return positional, exitOK, false
}

// isText tells SQL that begins with a comment from a flag.
func isText(arg string) bool {
	return strings.HasPrefix(arg, "--") && strings.ContainsAny(strings.SplitN(arg, "=", 2)[0], " \t\n")
}

// misuse reports a wrong command line.
func misuse(stderr io.Writer, who string, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", who, err)
	return exitUsage
}

// failure reports an error of the engine, with the remedy that fits this program where the engine's own names its Go API.
func failure(stderr io.Writer, who string, err error) int {
	message := strings.TrimPrefix(err.Error(), "engine: ")
	switch {
	case errors.Is(err, context.Canceled):
		message = "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		message = "the time for it was over: give it more (--timeout), or ask for less"
	case errors.Is(err, engine.ErrNotAdopted):
		message = "the database was made by another program and stays read only: `engine exec --adopt` takes it over and keeps a copy first"
	}
	fmt.Fprintf(stderr, "engine %s: %s\n", who, shell.Plain(message)) // it may name what others have named
	return exitError
}
