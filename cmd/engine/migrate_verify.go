package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidegate/engine"
)

const migrateVerifyExamples = `  engine migrate verify --dir migrations
  engine migrate verify --json | jq .ok
`

type schemaVerification struct {
	OK         bool             `json:"ok"`
	Schema     []string         `json:"schema"`
	Files      []string         `json:"files"`
	Conflicts  []schemaConflict `json:"conflicts"`
	Violations []string         `json:"violations"`
	Failed     []string         `json:"failed"`
	Check      string           `json:"check"`
}

func runMigrateVerify(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("verify", "[flags]", migrateVerifyExamples, stdout, stderr).withDatabase()
	if code, done := t.parse(args, 0); done {
		return code
	}
	return t.run(ctx, t.reading(ctx), func(m *engine.Migrator) error {
		v, err := m.Verify(ctx)
		if err != nil {
			return err
		}
		out := schemaVerification{OK: v.OK(), Schema: []string{}, Files: []string{}, Conflicts: []schemaConflict{}, Violations: append([]string{}, v.Violations...), Failed: append([]string{}, v.Failed...), Check: v.Check}
		for _, d := range v.Diff.Schema {
			out.Schema = append(out.Schema, d.String())
		}
		for _, f := range v.Diff.Files {
			out.Files = append(out.Files, fmt.Sprintf("%s%04d differs from its file", component(f.Component), f.Version))
		}
		for _, c := range v.Conflicts {
			out.Conflicts = append(out.Conflicts, schemaConflict{string(c.Code), c.Component, c.Version, c.Detail, c.Remedy, t.typed(c)})
		}
		err = t.print(out, func(w io.Writer) {
			for _, list := range [][]string{out.Schema, out.Files, out.Violations, out.Failed} {
				for _, s := range list {
					fmt.Fprintln(w, s)
				}
			}
			t.printConflicts(w, v.Conflicts)
			if v.Check != "ok" {
				fmt.Fprintf(w, "quick_check: %s\n", v.Check)
			}
			if out.OK {
				fmt.Fprintln(w, "ok: history, schema, references, verify queries and the file")
			}
		})
		switch {
		case err != nil || out.OK:
			return err
		case len(v.Conflicts) > 0:
			return exitWith(exitConflict)
		}
		return exitWith(exitError)
	})
}
