package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/core/migrate/review"
)

const migrateLintExamples = `  engine migrate lint --dir migrations
  engine migrate lint --dir migrations --strict --json     # warnings fail, too
  engine migrate lint --rules

A comment in a file takes the findings of one rule in it back: -- lint allow L02 the column was never filled
`

func runMigrateLint(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := schemaFlags("lint", "[flags]", migrateLintExamples, stdout, stderr)
	t.set.StringVar(&t.url, "db", "", "database `URL` whose rows are counted, so that only large tables are called large")
	strict := t.set.Bool("strict", false, "warnings fail, too")
	rules := t.set.Bool("rules", false, "list the rules")
	if code, done := t.parse(args, 0); done {
		return code
	}
	if *rules {
		list := review.Rules()
		return t.answer(t.print(list, func(w io.Writer) {
			for _, r := range list {
				fmt.Fprintf(w, "%s %-7s %s\n", r.Code, r.Severity, r.Name)
			}
		}))
	}
	opt := review.Options{}
	if t.url != "" {
		var err error
		if opt.Rows, err = t.rows(ctx); err != nil {
			return t.answer(err)
		}
	}
	findings, err := lintFiles(t.files(), opt)
	if err != nil {
		return t.answer(err)
	}
	err = t.print(findings, func(w io.Writer) {
		for _, f := range findings {
			fmt.Fprintln(w, f)
		}
	})
	for _, f := range findings {
		if f.Severity == review.Error || *strict && f.Severity == review.Warning {
			err = errors.Join(err, exitWith(exitError))
			break
		}
	}
	return t.answer(err)
}

// rows counts the rows of the database's tables, which is only read.
func (t *schemaTarget) rows(ctx context.Context) (rows map[string]int64, err error) {
	cfg := configure(ctx, t.url)
	cfg.ReadOnly, cfg.Logger = true, slog.New(slog.DiscardHandler)
	m, err := engine.OpenMigrator(ctx, cfg)
	if err != nil {
		return nil, err
	}
	rows, err = m.Rows(ctx)
	return rows, errors.Join(err, m.Close())
}

// lintFiles reviews a folder: what cannot be read as a migration is a finding, too.
func lintFiles(fsys fs.FS, opt review.Options) ([]review.Finding, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("the folder has no migration files (0001_what_it_does.sql)")
	}
	var files []review.File
	out := []review.Finding{}
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		var bad *migrate.FormatError
		if _, err := migrate.Parse(name, content); errors.As(err, &bad) {
			out = append(out, review.Finding{File: name, Line: bad.Line, Code: "L00", Rule: "is no migration file", Severity: review.Error, Message: bad.Msg, Remedy: bad.Remedy})
		}
		files = append(files, review.File{Name: name, Content: content})
	}
	return append(out, review.Set(files, opt)...), nil
}
