package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
)

var healthVerb = verb{name: "health", summary: "check that the database can be relied on; exit code 1 if not", run: runHealth}

const healthExamples = `  engine health
  engine health --db sqlite:////var/lib/desk/production_trading.db --json
  engine health && start-trading
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
	OK     bool      `json:"ok"`
	Checks []checked `json:"checks"`
}

func runHealth(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("health", "[flags]", healthExamples)
	url := databaseFlag(f)
	asJSON := f.Bool("json", false, "print one JSON object")
	timeout := f.Duration("timeout", 10*time.Second, "how long the checks may take")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine health", fmt.Errorf("takes no arguments: name the database with --db"))
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	db, err := openExisting(ctx, configure(ctx, *url))
	if err != nil {
		return failure(stderr, "health", err)
	}
	defer db.Close()
	h := db.Health(ctx)
	if err := printHealth(stdout, h, *asJSON); err != nil {
		return failure(stderr, "health", err)
	}
	if !h.OK {
		return exitError
	}
	return exitOK
}

func printHealth(w io.Writer, h engine.Health, asJSON bool) error {
	if asJSON {
		r := report{OK: h.OK, Checks: []checked{}}
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
