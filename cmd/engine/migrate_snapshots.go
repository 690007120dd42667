package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
)

const migrateSnapshotsExamples = `  engine migrate snapshots
  engine migrate snapshots --json | jq -r '.[0].path'
`

type schemaSnapshot struct {
	Path   string    `json:"path"`
	Run    string    `json:"run"`
	Taken  time.Time `json:"taken"`
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"`
}

func runMigrateSnapshots(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("snapshots", "[flags]", migrateSnapshotsExamples, stdout, stderr).withDatabase()
	if code, done := t.parse(args, 0); done {
		return code
	}
	return t.run(ctx, t.reading(ctx), func(m *engine.Migrator) error {
		list, err := m.Snapshots()
		if err != nil {
			return err
		}
		out := []schemaSnapshot{}
		for _, s := range list {
			out = append(out, schemaSnapshot{s.Path, s.Run, s.Taken.UTC(), s.Bytes, s.SHA256})
		}
		return t.print(out, func(w io.Writer) {
			for _, s := range out {
				fmt.Fprintf(w, "%s  %s  run %s  %s\n", s.Taken.Format(time.RFC3339), mebibytes(s.Bytes), s.Run, s.Path)
			}
		})
	})
}
