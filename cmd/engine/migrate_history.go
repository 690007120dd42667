package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
)

const migrateHistoryExamples = `  engine migrate history
  engine migrate history --json | jq '.applied[-1]'
`

type schemaHistory struct {
	Applied []historyEntry `json:"applied"`
	Runs    []historyRun   `json:"runs"`
}

type historyEntry struct {
	Component  string    `json:"component"`
	Version    int       `json:"version"`
	Name       string    `json:"name"`
	Checksum   string    `json:"checksum"`
	SchemaHash string    `json:"schema_hash"`
	Finished   time.Time `json:"finished"`
	By         string    `json:"by"`
	Run        string    `json:"run"`
}

type historyRun struct {
	Run      string    `json:"run"`
	Kind     string    `json:"kind"`
	State    string    `json:"state"`
	From     int       `json:"from"`
	To       int       `json:"to"`
	Snapshot string    `json:"snapshot,omitempty"`
	Done     time.Time `json:"done"`
	Host     string    `json:"host"`
	Note     string    `json:"note,omitempty"`
}

func runMigrateHistory(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("history", "[flags]", migrateHistoryExamples, stdout, stderr).withDatabase()
	if code, done := t.parse(args, 0); done {
		return code
	}
	return t.run(ctx, t.reading(ctx), func(m *engine.Migrator) error {
		entries, err := m.History(ctx)
		if err != nil {
			return err
		}
		runs, err := m.Runs(ctx)
		if err != nil {
			return err
		}
		out := schemaHistory{Applied: []historyEntry{}, Runs: []historyRun{}}
		for _, e := range entries {
			out.Applied = append(out.Applied, historyEntry{e.Component, e.Version, e.Name, e.Checksum, e.SchemaHash, e.Finished.UTC(), e.By, e.Run})
		}
		for _, r := range runs {
			out.Runs = append(out.Runs, historyRun{r.ID, r.Kind, string(r.State), r.From, r.To, r.Snapshot, r.Done.UTC(), r.Host, r.Note})
		}
		return t.print(out, func(w io.Writer) {
			for _, e := range out.Applied {
				fmt.Fprintf(w, "%s%04d %s, %s by %s, run %s\n", component(e.Component), e.Version, e.Name, e.Finished.Format(time.RFC3339), e.By, e.Run)
			}
			for _, r := range out.Runs {
				fmt.Fprintf(w, "run %s: %s %04d to %04d on %s, %s %s\n", r.Run, r.Kind, r.From, r.To, r.Host, r.State, r.Note)
			}
		})
	})
}
