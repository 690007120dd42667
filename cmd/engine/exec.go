package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/internal/sqltext"
)

var execVerb = verb{name: "exec", summary: "run statements that write, in one durable transaction", run: runExec}

const execExamples = `  engine exec "UPDATE instruments SET status = 'halted' WHERE instrument_id = 7"
  engine exec --arg 7 --arg "'halted'" "UPDATE instruments SET status = ?2 WHERE instrument_id = ?1"
  engine exec "UPDATE strategies SET status = 'stopped'" "UPDATE accounts SET status = 'liquidate_only'"   # both or neither
  engine exec --create --db sqlite:///notes.db "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT) STRICT"

When exec returns 0 the transaction is on the disk. --arg goes with one statement. A database of another program is written only after
--adopt, which keeps a copy beside it.
`

// executed is what --json prints about one statement.
type executed struct {
	RowsAffected int64 `json:"rows_affected"`
	LastInsertID any   `json:"last_insert_id"`
	// Columns and Rows are what the statement returned, as with RETURNING.
	Columns []string `json:"columns,omitempty"`
	Rows    [][]any  `json:"rows,omitempty"`
}

// mostReturned bounds the rows that are kept until the transaction is committed.
const mostReturned = 10_000

func runExec(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("exec", "[flags] SQL [SQL…]", execExamples)
	s := sourceFlags(f, "config")
	asJSON := f.Bool("json", false, "print a JSON object for each statement")
	create := f.Bool("create", false, "make the database if it is missing")
	adopt := f.Bool("adopt", false, "take over a database that another program made; a copy is kept beside it")
	hold := f.Duration("hold", 10*time.Second, "how long the transaction may keep the writer from others")
	var bound arguments
	f.Var(&bound, "arg", argumentHelp)
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if bound.err != nil {
		return misuse(stderr, "engine exec", bound.err)
	}
	if *hold <= 0 {
		return misuse(stderr, "engine exec", fmt.Errorf("--hold must be more than nothing: a transaction takes some time"))
	}
	if len(positional) == 0 || len(bound.values) > 0 && len(positional) > 1 {
		return misuse(stderr, "engine exec", fmt.Errorf("want one statement, or several without --arg; got %d and %d values", len(positional), len(bound.values)))
	}
	for i, sql := range positional {
		if why := unfit(sql); why != "" {
			return misuse(stderr, "engine exec", fmt.Errorf("statement %d: %s", i+1, why))
		}
	}
	db, err := s.ruled(ctx, stderr, func(cfg *engine.Config) { cfg.Create, cfg.Adopt = *create, *adopt || cfg.Adopt })
	if err != nil {
		return failure(stderr, "exec", err)
	}
	defer db.Close()
	results, failed, err := execute(ctx, db.DB, positional, bound.values, *hold)
	if err != nil {
		if failed > 0 && len(positional) > 1 {
			fmt.Fprintf(stderr, "engine exec: statement %d of %d failed, nothing was changed\n", failed, len(positional))
		}
		return failure(stderr, "exec", err)
	}
	if err := printResults(stdout, results, *asJSON); err != nil {
		return failure(stderr, "exec", err)
	}
	return exitOK
}

// unfit says why a text cannot be a statement of exec, and what to type instead; "" where it may be one. What else is wrong the engine says.
func unfit(sql string) string {
	switch list := sqltext.Statements(sql); {
	case len(list) > 1:
		return fmt.Sprintf("holds %d statements: put each in quotes of its own, or give a script to `engine shell`", len(list))
	case len(list) == 1 && list[0].Words(1)[0] == "VACUUM":
		return "VACUUM rewrites the whole file outside of any transaction, and nothing of the engine does that: stop what works on the database, and let sqlite3 do it"
	}
	return ""
}

// execute runs the statements in one transaction. failed is the number of the one that failed, 0 when it was none in particular.
func execute(ctx context.Context, db *engine.DB, statements []string, args []any, hold time.Duration) (results []executed, failed int, err error) {
	err = db.Update(ctx, func(ctx context.Context, tx *engine.Tx) error {
		results, failed = results[:0], 0
		for i, sql := range statements {
			r, err := executeOne(ctx, tx, sql, args)
			if err != nil {
				failed = i + 1
				return err
			}
			results = append(results, r)
		}
		return nil
	}, engine.WithName("engine exec"), engine.HoldFor(hold), engine.Replayable())
	return results, failed, err
}

// executeOne runs a statement, and keeps the rows that it returns: they are printed once they are true.
func executeOne(ctx context.Context, tx *engine.Tx, sql string, args []any) (e executed, err error) {
	const sofar = "SELECT total_changes(), last_insert_rowid()"
	var before, after, id int64
	if err := tx.QueryRow(ctx, sofar).Scan(&before, &id); err != nil {
		return e, err
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return e, err
	}
	e.Columns = rows.Columns()
	for row, err := range rows.All() {
		if err != nil {
			return e, err
		}
		if len(e.Rows) == mostReturned {
			return e, fmt.Errorf("the statement returns more than %d rows: use engine query for one that only reads", mostReturned)
		}
		values, err := row.Values()
		if err != nil {
			return e, err
		}
		e.Rows = append(e.Rows, values)
	}
	if err := tx.QueryRow(ctx, sofar).Scan(&after, &id); err != nil || after == before {
		return e, err // changes() would tell of an earlier statement
	}
	err = tx.QueryRow(ctx, "SELECT changes()").Scan(&e.RowsAffected)
	e.LastInsertID = jsonValue(id)
	return e, err
}

func printResults(w io.Writer, results []executed, asJSON bool) error {
	encoder := json.NewEncoder(w)
	var errs []error
	for _, r := range results {
		if asJSON {
			for _, row := range r.Rows {
				for i := range row {
					row[i] = jsonValue(row[i])
				}
			}
			errs = append(errs, encoder.Encode(r))
			continue
		}
		if len(r.Columns) > 0 {
			t := newTable(w, r.Columns)
			for _, row := range r.Rows {
				errs = append(errs, t.row(row))
			}
			errs = append(errs, t.end())
			if r.RowsAffected == 0 {
				continue // it only read
			}
		}
		_, err := fmt.Fprintf(w, "%s affected\n", count(r.RowsAffected, "row"))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
