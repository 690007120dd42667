package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/internal/shell"
)

var exportVerb = verb{name: "export", summary: "write a table or a query to a CSV, JSON lines or Parquet file", run: runExport}

const exportExamples = `  engine export --table bars --out bars.parquet
  engine export --query "SELECT ts, px, qty FROM prints WHERE instrument_id = ? ORDER BY ts" --arg 7 --out prints.csv
  engine export --table orders --format jsonl | jq .

A table comes with all its columns but computed ones, in the order of its key; a query in its own order. All of it is as it was at one
moment. A file has its name only when it is whole. CSV has CR LF, the empty text as "" and NULL as nothing; blobs are base64.
`

// exporting is the command line of an export.
type exporting struct {
	url    string
	file   *fileFormat
	opt    bulk.ExportOptions
	out    string
	asJSON bool
}

func runExport(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c exporting
	var bound arguments
	f := flags("export", "[flags]", exportExamples)
	url := databaseFlag(f)
	c.file = fileFormatFlags(f)
	f.BoolVar(&c.file.noHeader, "no-header", false, "CSV: leave the header out")
	f.BoolVar(&c.file.bigAsText, "big-as-text", false, "JSON lines: integers beyond 2^53 as text, for readers that make floats of numbers")
	f.StringVar(&c.opt.Table, "table", "", "the `table` to export")
	f.StringVar(&c.opt.Query, "query", "", "the `SQL` to export the rows of")
	f.Var(&bound, "arg", argumentHelp)
	f.StringVar(&c.out, "out", "-", "the `file` to write; - is standard output")
	f.BoolVar(&c.asJSON, "json", false, "print the report as one JSON object; to standard error where the rows go to standard output")
	quiet := f.Bool("quiet", false, "show no progress")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	var err error
	switch {
	case bound.err != nil:
		err = bound.err
	case len(positional) > 0:
		err = errors.New("takes no arguments: name the file with --out")
	case (c.opt.Table == "") == (c.opt.Query == ""):
		err = errors.New("want --table or --query")
	case len(bound.values) > 0 && c.opt.Query == "":
		err = errors.New("--arg goes with --query")
	default:
		c.opt.Format, err = c.file.format(c.out)
	}
	if err == nil && c.out != "-" {
		err = shell.Spare(*url, c.out)
	}
	if err != nil {
		return misuse(stderr, "engine export", err)
	}
	c.url, c.opt.Args = *url, bound.values
	if !*quiet {
		c.opt.Progress = func(p bulk.Progress) { fmt.Fprintln(stderr, progressLine(p)) }
	}
	report, err := c.run(ctx, stdout)
	switch {
	case errors.Is(err, engine.ErrReadOnly):
		fmt.Fprintln(stderr, "engine export: the statement writes, and export only reads: use `engine exec`")
		return exitError
	case err != nil:
		return failure(stderr, "export", plainMessage(err))
	}
	to := stdout
	if c.out == "-" {
		to = stderr
	}
	if err := c.print(to, report); err != nil {
		return failure(stderr, "export", err)
	}
	return exitOK
}

func (c *exporting) run(ctx context.Context, stdout io.Writer) (report bulk.ExportReport, err error) {
	cfg := configure(ctx, c.url)
	cfg.ReadOnly = true
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	write := func(w io.Writer) (err error) {
		report, err = bulk.Export(ctx, db.Bulk(), w, c.opt)
		return err
	}
	if c.out == "-" {
		err = write(stdout)
	} else {
		err = bulk.WriteFile(c.out, write)
	}
	return report, err
}

func (c *exporting) print(w io.Writer, r bulk.ExportReport) error {
	if c.asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%s and %d bytes exported in %v\n", count(r.Rows, "row"), r.Bytes, r.Took.Round(time.Millisecond))
	return err
}

// plainError is an error under the name of the program instead of that of a package.
type plainError struct{ error }

// Error implements error.
func (e plainError) Error() string { return strings.TrimPrefix(e.error.Error(), "bulk: ") }

// Unwrap returns the error with the package's name.
func (e plainError) Unwrap() error { return e.error }

func plainMessage(err error) error { return plainError{err} }
