package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/internal/shell"
)

var importVerb = verb{name: "import", summary: "read a CSV, JSON lines or Parquet file into a table, resumable", run: runImport}

const importExamples = `  engine import --table bars bars.csv
  engine import --table bars --map time=ts --map note= --scale open=8 --scale close=8 bars.csv
  engine import --table trades --on-error skip --rejects refused.jsonl trades.jsonl
  zcat ticks.csv.gz | engine import --table ticks --format csv -

Names in the header, or the keys of the objects, are names of columns; --map gives them others, and --map x= leaves x out. A value that its
column would not keep whole is refused with its line. Each transaction keeps the writer for some milliseconds. Killed or interrupted, the same
command goes on where it was, and every row is there once; a pipe cannot be resumed. jq -r .record refused.jsonl has the refused rows as
they stand in the file.
`

// importing is the command line of an import.
type importing struct {
	sources *sources
	file    *fileFormat
	opt     bulk.ImportOptions
	mapped  pairs
	scaled  pairs
	onError string
	rejects string
	asJSON  bool
	quiet   bool
}

func runImport(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := importing{mapped: pairs{}, scaled: pairs{}}
	f := flags("import", "[flags] FILE|-", importExamples)
	c.sources = sourceFlags(f, "config")
	c.file = fileFormatFlags(f)
	f.StringVar(&c.file.columns, "columns", "", "CSV without a header: its `names`, separated by commas")
	f.StringVar(&c.opt.Table, "table", "", "the `table` that rows go into")
	f.Var(c.mapped, "map", "`name=column`: a name in the file stands for a column; name= leaves it out")
	f.Var(c.scaled, "scale", "`column=digits`: decimals become integers with that many digits behind the point, exactly")
	f.StringVar(&c.onError, "on-error", "abort", "what a refused row does: abort or skip")
	f.StringVar(&c.rejects, "rejects", "", "write refused rows with line and reason to this `file`, as JSON lines")
	f.Int64Var(&c.opt.MaxRejects, "max-rejects", 0, "with --on-error skip: refuse so many rows and no more; 0 is any number")
	f.BoolVar(&c.opt.Restart, "restart", false, "begin at the start of a file that was imported before, whole or in part; rows stay")
	f.DurationVar(&c.opt.Chunk, "chunk", 0, "how long a transaction keeps the writer from others (default 5ms)")
	f.BoolVar(&c.asJSON, "json", false, "print the report as one JSON object")
	f.BoolVar(&c.quiet, "quiet", false, "show no progress")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if err := c.complete(positional); err != nil {
		return misuse(stderr, "engine import", err)
	}
	if !c.quiet {
		c.opt.Progress = func(p bulk.Progress) { fmt.Fprintln(stderr, progressLine(p)) }
	}
	report, err := c.run(ctx, positional[0], stderr)
	if e := c.print(stdout, report, err != nil); err == nil {
		err = e
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && report.Resumable:
		fmt.Fprintf(stderr, "engine import: interrupted behind row %d: the same command goes on from there\n", report.Rows)
		return exitError
	case errors.Is(err, bulk.ErrRow):
		return failure(stderr, "import", fmt.Errorf("%w (--on-error skip, --max-rejects)", plainMessage(err)))
	case errors.Is(err, bulk.ErrProgress):
		return failure(stderr, "import", fmt.Errorf("%w (--restart)", plainMessage(err)))
	}
	return failure(stderr, "import", plainMessage(err))
}

// complete turns the words of the command line into options.
func (c *importing) complete(positional []string) (err error) {
	switch {
	case len(positional) != 1:
		return fmt.Errorf("want one file, or - for standard input; got %d arguments", len(positional))
	case c.opt.Table == "":
		return errors.New("--table is missing")
	case c.onError != "abort" && c.onError != "skip":
		return fmt.Errorf("--on-error takes abort or skip, not %q", c.onError)
	case c.opt.MaxRejects != 0 && c.onError == "abort":
		return errors.New("--max-rejects goes with --on-error skip")
	case c.opt.MaxRejects < 0 || c.opt.Chunk < 0:
		return errors.New("--max-rejects and --chunk must not be negative")
	}
	if c.opt.Format, err = c.file.format(positional[0]); err != nil {
		return err
	}
	if c.rejects != "" {
		url := ""
		if settings, err := c.sources.load(); err == nil { // else the opening says what is wrong
			url = settings.Engine.URL
		}
		if err := shell.Spare(url, c.rejects, positional[0]); err != nil {
			return fmt.Errorf("--rejects: %w", err)
		}
	}
	c.opt.SkipBad = c.onError == "skip"
	c.opt.Map, c.opt.Scale = c.mapped, map[string]int{}
	for column, digits := range c.scaled {
		if c.opt.Scale[column], err = strconv.Atoi(digits); err != nil {
			return fmt.Errorf("--scale %s: the number of digits is no number", column)
		}
	}
	return nil
}

func (c *importing) run(ctx context.Context, path string, stderr io.Writer) (_ bulk.ImportReport, err error) {
	none := bulk.ImportReport{Table: c.opt.Table}
	in := os.Stdin
	c.opt.Source = "standard input"
	if path != "-" {
		if in, err = os.Open(path); err != nil {
			return none, err
		}
		defer in.Close()
		c.opt.Source = filepath.Base(path)
	}
	if c.rejects != "" {
		file, err := os.OpenFile(c.rejects, os.O_CREATE|os.O_RDWR, 0o600) // it is cut by the import, which knows what is to stay
		if err != nil {
			return none, err
		}
		defer file.Close()
		c.opt.Rejects = file
		if c.opt.RejectsName, err = filepath.Abs(c.rejects); err != nil {
			return none, err
		}
	}
	db, err := c.sources.ruled(ctx, stderr, func(*engine.Config) {})
	if err != nil {
		return none, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return bulk.Import(ctx, db.Bulk(), in, c.opt)
}

func (c *importing) print(w io.Writer, r bulk.ImportReport, failed bool) error {
	if c.asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	if failed && r.Rows == r.Resumed {
		return nil
	}
	line := fmt.Sprintf("%s imported into %s, %d refused", count(r.Inserted, "row"), r.Table, r.Rejected)
	if r.Resumed > 0 {
		line += fmt.Sprintf(", %d of them by earlier runs", r.Resumed)
	}
	if _, err := fmt.Fprintf(w, "%s, in %v and %s of at most %v\n", line, r.Took.Round(time.Millisecond), count(int64(r.Chunks), "transaction"),
		r.Longest.Round(100*time.Microsecond)); err != nil {
		return err
	}
	for _, reject := range r.First {
		at := fmt.Sprintf("row %d", reject.Row)
		if reject.Line > 0 {
			at = fmt.Sprintf("line %d", reject.Line)
		}
		if reject.Column != "" {
			at += ", column " + reject.Column
		}
		if _, err := fmt.Fprintf(w, "  %s\n", shell.Plain(at+": "+reject.Reason)); err != nil {
			return err
		}
	}
	if more := r.Rejected - int64(len(r.First)); more > 0 && len(r.First) > 0 {
		_, err := fmt.Fprintf(w, "  and %d more\n", more)
		return err
	}
	return nil
}
