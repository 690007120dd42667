package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
)

const migrateUpExamples = `  engine migrate up --dir migrations
  engine migrate up --create --db sqlite:///new.db --dir migrations
  engine migrate up --json --lock-wait 2m
`

// schemaRun is what up, down, baseline, repair and restore print.
type schemaRun struct {
	Run       string        `json:"run"`
	From      int           `json:"from"`
	To        int           `json:"to"`
	Applied   []appliedStep `json:"applied"`
	TakenBack []appliedStep `json:"taken_back"`
	Snapshot  string        `json:"snapshot,omitempty"`
	Checks    []string      `json:"checks,omitempty"`
	LockedMS  int64         `json:"locked_ms"`
	TookMS    int64         `json:"took_ms"`
}

type appliedStep struct {
	Component  string `json:"component"`
	Version    int    `json:"version"`
	Name       string `json:"name"`
	Statements int    `json:"statements"`
	TookMS     int64  `json:"took_ms"`
}

func schemaRunOf(r migrate.Report) schemaRun {
	out := schemaRun{Run: r.Run, From: r.From, To: r.To, Applied: steps(r.Applied), TakenBack: steps(r.TakenBack), Snapshot: r.Snapshot,
		LockedMS: r.Locked.Milliseconds(), TookMS: r.Duration.Milliseconds()}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, fmt.Sprintf("%s: %d rows unchanged (%s)", c.Table, c.Rows, c.Method))
	}
	return out
}

func steps(list []migrate.Applied) []appliedStep {
	out := []appliedStep{}
	for _, a := range list {
		out = append(out, appliedStep{a.Component, a.Version, a.Name, a.Statements, a.Duration.Milliseconds()})
	}
	return out
}

func runMigrateUp(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("up", "[flags]", migrateUpExamples, stdout, stderr).withDatabase()
	create := t.set.Bool("create", false, "make the database if it is missing")
	rehearse := t.set.Bool("rehearse", true, "run migrations that change what is there on a copy first")
	if code, done := t.parse(args, 0); done {
		return code
	}
	cfg := t.config(ctx)
	cfg.Create, cfg.Migrate.Rehearse = *create, *rehearse
	return t.run(ctx, cfg, func(m *engine.Migrator) error {
		r, err := m.Up(ctx)
		if err != nil {
			return err
		}
		return t.printRun(r)
	})
}

// printRun says what a run has done.
func (t *schemaTarget) printRun(r migrate.Report) error {
	out := schemaRunOf(r)
	return t.print(out, func(w io.Writer) {
		for _, a := range out.Applied {
			fmt.Fprintf(w, "applied %s%04d %s (%d statements, %v)\n", component(a.Component), a.Version, a.Name, a.Statements, time.Duration(a.TookMS)*time.Millisecond)
		}
		for _, a := range out.TakenBack {
			fmt.Fprintf(w, "taken back %s%04d %s\n", component(a.Component), a.Version, a.Name)
		}
		switch {
		case out.Run == "":
			fmt.Fprintf(w, "nothing to do: version %04d\n", out.To)
		default:
			fmt.Fprintf(w, "version %04d, was %04d; the writer was locked for %v of %v\n", out.To, out.From, time.Duration(out.LockedMS)*time.Millisecond, time.Duration(out.TookMS)*time.Millisecond)
		}
		if out.Snapshot != "" {
			fmt.Fprintf(w, "copy from before: %s\n", out.Snapshot)
		}
	})
}
