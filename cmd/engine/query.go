package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

var queryVerb = verb{name: "query", summary: "run one statement that reads, and print its rows", run: runQuery}

const queryExamples = `  engine query "SELECT * FROM instruments LIMIT 10"
  engine query --db sqlite:////var/lib/desk/production_trading.db "SELECT count(*) FROM orders"
  engine query --arg 7 --arg "'open'" "SELECT * FROM orders WHERE account_id = ? AND state = ?"
  engine query --json --arg :day=20240102 "SELECT * FROM position_days WHERE trade_date = :day" | jq .

A table shows NULL for NULL, '' for an empty text and 'NULL' for that word. --json prints an object a line; integers beyond 2^53 are strings,
a blob is {"hex": "…"}, text that is not UTF-8 {"text_hex": "…"}.
`

func runQuery(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("query", "[flags] SQL", queryExamples)
	url := databaseFlag(f)
	asJSON := f.Bool("json", false, "print a JSON object a line")
	timeout := f.Duration("timeout", 0, "give up after this `time`; 0 is never")
	var bound arguments
	f.Var(&bound, "arg", argumentHelp)
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if bound.err != nil {
		return misuse(stderr, "engine query", bound.err)
	}
	if len(positional) != 1 {
		return misuse(stderr, "engine query", fmt.Errorf("want one statement, got %d arguments: put the SQL in quotes", len(positional)))
	}
	if *timeout < 0 {
		return misuse(stderr, "engine query", errors.New("--timeout must not be negative; 0 is never"))
	}
	options := []any{engine.WithName("engine query")}
	if *timeout > 0 {
		options = append(options, engine.WithTimeout(*timeout))
	}
	cfg := configure(ctx, *url)
	cfg.ReadOnly = true
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return failure(stderr, "query", err)
	}
	defer db.Close()
	started := time.Now()
	rows, err := printRows(ctx, db, *asJSON, stdout, positional[0], append(bound.values, options...))
	if sql := setting(positional[0]); sql != "" && errors.Is(err, engine.ErrReadOnly) {
		rows, err = printRows(ctx, db, *asJSON, stdout, sql, options)
	}
	switch {
	case errors.Is(err, engine.ErrReadOnly):
		fmt.Fprintln(stderr, "engine query: the statement writes, and query only reads: use `engine exec`")
		return exitError
	case err != nil:
		return failure(stderr, "query", err)
	}
	if !*asJSON {
		fmt.Fprintf(stderr, "%s in %v\n", count(rows, "row"), time.Since(started).Round(10*time.Microsecond))
	}
	return exitOK
}

var readsSetting = regexp.MustCompile(`(?i)^\s*PRAGMA\s+(?:main\s*\.\s*)?([a-z_]+)\s*;?\s*$`)

// setting is a query for the setting that a PRAGMA asks for, "" where it is none: SQLite counts PRAGMA journal_mode and its like among the statements
// that write.
func setting(sql string) string {
	if m := readsSetting.FindStringSubmatch(sql); m != nil {
		return "SELECT * FROM pragma_" + strings.ToLower(m[1])
	}
	return ""
}

// printRows streams the rows of a statement and returns how many there were.
func printRows(ctx context.Context, db *engine.DB, asJSON bool, stdout io.Writer, sql string, args []any) (int64, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var w rowWriter = newTable(stdout, rows.Columns())
	if asJSON {
		if w, err = newObjects(stdout, rows.Columns()); err != nil {
			return 0, err
		}
	}
	n := int64(0)
	for row, err := range rows.All() {
		if err != nil {
			return n, errors.Join(err, w.end())
		}
		values, err := row.Values()
		if err != nil {
			return n, err
		}
		if err := w.row(values); err != nil {
			return n, err
		}
		n++
	}
	return n, w.end()
}

// count writes a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
