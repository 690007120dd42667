package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

const pluginTestExamples = `  engine plugin test lot-size
  engine plugin test --json lot-size | jq '.tests[] | select(.ok | not)'

The tests of plugin.yaml run in the host that runs the module in service, with its limits; no database is needed. Where the folder has Go tests, go test
runs as well (--go=false leaves that out). The exit code is 1 when anything failed, or when there is no test at all.
`

// triedPlugin is what --json prints.
type triedPlugin struct {
	Plugin  string       `json:"plugin"`
	Version string       `json:"version"`
	Tests   []triedBatch `json:"tests"`
	GoTests string       `json:"go_tests"` // passed, failed, none, skipped
}

// triedBatch is one test of a manifest.
type triedBatch struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Rows   int    `json:"rows"`
	Fuel   int64  `json:"fuel"`
	Micros int64  `json:"microseconds"`
	Error  string `json:"error,omitempty"`
}

func runPluginTry(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin test", "[flags] FOLDER|FILE", pluginTestExamples)
	asJSON := f.Bool("json", false, "print one JSON object")
	goTests := f.Bool("go", true, "run the folder's Go tests too")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := one(positional, "the folder of the plug-in, or its packed file")
	if err != nil {
		return misuse(stderr, "engine plugin test", err)
	}
	m, u, err := hostedUnit(ctx, dir)
	if err != nil {
		return failure(stderr, "plugin test", err)
	}
	t := triedPlugin{Plugin: m.Name, Version: m.Version, Tests: tryTests(ctx, m, u), GoTests: "skipped"}
	if err := u.Close(); err != nil {
		return failure(stderr, "plugin test", err)
	}
	if *goTests {
		t.GoTests = goTestsOf(ctx, dir, stderr)
	}
	if *asJSON {
		err = printObject(stdout, t)
	} else {
		err = t.print(stdout)
	}
	if err == nil {
		err = t.verdict()
	}
	if err != nil {
		return failure(stderr, "plugin test", err)
	}
	return exitOK
}

// goTestsOf runs the folder's Go tests.
func goTestsOf(ctx context.Context, dir string, stderr io.Writer) string {
	if !hasGo(dir, "_test.go") {
		return "none"
	}
	if err := goTool(ctx, dir, nil, stderr, "test", "./..."); err != nil {
		fmt.Fprintf(stderr, "engine plugin test: %v\n", err)
		return "failed"
	}
	return "passed"
}

// meteredUnit remembers what the last call gave.
type meteredUnit struct {
	plugins.Unit
	last plugins.Outcome
}

// Call implements plugins.Unit.
func (u *meteredUnit) Call(ctx context.Context, h plugins.Hook, b *abi.Batch, at time.Time) (out plugins.Outcome, err error) {
	out, err = u.Unit.Call(ctx, h, b, at)
	u.last = out
	return out, err
}

// tryTests runs each test of the manifest by itself.
func tryTests(ctx context.Context, m *plugins.Manifest, u plugins.Unit) []triedBatch {
	out := []triedBatch{}
	for i, test := range m.Tests {
		only, metered := *m, meteredUnit{Unit: u}
		only.Tests = []plugins.TestCase{test}
		t := triedBatch{Name: test.Name, OK: true, Rows: len(test.Rows)}
		if t.Name == "" {
			t.Name = fmt.Sprintf("tests[%d]", i)
		}
		if err := plugins.RunTests(ctx, &only, &metered); err != nil {
			t.OK, t.Error = false, err.Error()
		}
		t.Fuel, t.Micros = metered.last.Fuel, metered.last.Elapsed.Microseconds()
		out = append(out, t)
	}
	return out
}

func (t *triedPlugin) print(w io.Writer) error {
	rows := newTable(w, []string{"test", "result", "rows", "fuel", "µs"})
	for _, b := range t.Tests {
		result := "ok"
		if !b.OK {
			result = "FAILED: " + b.Error
		}
		if err := rows.row([]any{b.Name, result, int64(b.Rows), b.Fuel, b.Micros}); err != nil {
			return err
		}
	}
	if err := rows.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "go test: %s\n", t.GoTests)
	return err
}

// verdict sums up.
func (t *triedPlugin) verdict() error {
	failed := 0
	for _, b := range t.Tests {
		if !b.OK {
			failed++
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d tests of the manifest failed", failed, len(t.Tests))
	case t.GoTests == "failed":
		return errors.New("the Go tests failed")
	case len(t.Tests) == 0 && t.GoTests != "passed":
		return errors.New("nothing was tested: add tests to plugin.yaml, about rows that need no answer of a query (there is no database here); they also run whenever the plug-in is loaded")
	}
	return nil
}
