package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tidegate/engine"
)

const migrateDiffExamples = `  engine migrate diff --dir migrations
  engine migrate diff --json | jq '.schema[].name'

Lines with - are what history or database say, lines with + what is found instead. Exit code 1 where anything differs.
`

type schemaDiff struct {
	Schema     []objectDiff `json:"schema"`
	Files      []fileDiff   `json:"files"`
	Unverified string       `json:"unverified,omitempty"`
}

type objectDiff struct {
	Type string `json:"type"`
	Name string `json:"name"`
	Want string `json:"want"`
	Have string `json:"have"`
}

type fileDiff struct {
	Component string `json:"component"`
	Version   int    `json:"version"`
	Applied   string `json:"applied"`
	File      string `json:"file"`
}

func runMigrateDiff(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("diff", "[flags]", migrateDiffExamples, stdout, stderr).withDatabase()
	if code, done := t.parse(args, 0); done {
		return code
	}
	return t.run(ctx, t.reading(ctx), func(m *engine.Migrator) error {
		d, err := m.Diff(ctx)
		if err != nil {
			return err
		}
		out := schemaDiff{Schema: []objectDiff{}, Files: []fileDiff{}, Unverified: d.Unverified}
		for _, o := range d.Schema {
			out.Schema = append(out.Schema, objectDiff{o.Type, o.Name, o.Want, o.Have})
		}
		for _, f := range d.Files {
			out.Files = append(out.Files, fileDiff{f.Component, f.Version, joinScripts(f.Applied, f.AppliedDown), joinScripts(f.File, f.FileDown)})
		}
		err = t.print(out, func(w io.Writer) {
			for _, o := range d.Schema {
				fmt.Fprintln(w, o.String())
				showLines(w, o.Want, o.Have)
			}
			for _, f := range out.Files {
				fmt.Fprintf(w, "migration %s%04d: applied (-) and file (+)\n", component(f.Component), f.Version)
				showLines(w, f.Applied, f.File)
			}
			if out.Unverified != "" {
				fmt.Fprintf(w, "the schema was not compared: %s\n", out.Unverified)
			}
		})
		if err == nil && len(out.Schema)+len(out.Files) > 0 {
			err = exitWith(exitError)
		}
		return err
	})
}

func joinScripts(up, down string) string { return "-- +up\n" + up + "-- +down\n" + down }

// showLines prints the lines that only one of two texts has, in their order, around those that both have.
func showLines(w io.Writer, want, have string) {
	a, b := split(want), split(have)
	common := longestCommon(a, b)
	i, k := 0, 0
	for _, line := range append(common, "\x00end") {
		for i < len(a) && a[i] != line {
			fmt.Fprintf(w, "  - %s\n", a[i])
			i++
		}
		for k < len(b) && b[k] != line {
			fmt.Fprintf(w, "  + %s\n", b[k])
			k++
		}
		if line != "\x00end" {
			fmt.Fprintf(w, "    %s\n", line)
			i, k = i+1, k+1
		}
	}
}

func split(s string) []string {
	if s = strings.TrimRight(s, "\n"); s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// longestCommon is the longest sequence of lines that both texts have.
func longestCommon(a, b []string) []string {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if a[i] == b[k] {
				length[i][k] = length[i+1][k+1] + 1
			} else {
				length[i][k] = max(length[i+1][k], length[i][k+1])
			}
		}
	}
	var out []string
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch {
		case a[i] == b[k]:
			out = append(out, a[i])
			i, k = i+1, k+1
		case length[i+1][k] >= length[i][k+1]:
			i++
		default:
			k++
		}
	}
	return out
}
