package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidegate/engine/core/sqlite"
)

// ExportOptions say what to export. Format and one of Table and Query must be set.
type ExportOptions struct {
	// Table is exported with all columns but generated ones, in the order of its key.
	Table string
	// Query is a statement that reads. Without ORDER BY its rows come in no particular order.
	Query string
	// Args are the values of the query's parameters.
	Args []any
	// Format of the file.
	Format Format
	// Progress is told now and then how far it is; nil: nobody. It must be quick.
	Progress func(Progress)
}

// Progress tells how far an import or an export is.
type Progress struct {
	Rows     int64 // done
	Rejected int64 // of them refused
	Bytes    int64 // read or written
	Total    int64 // rows of an export, bytes (in a Parquet file rows) of an import; 0: not known
	Part     float64
	Elapsed  time.Duration
	// PerSecond is rows a second since the last report.
	PerSecond float64
}

// ExportReport tells what was exported.
type ExportReport struct {
	Rows    int64         `json:"rows"`
	Bytes   int64         `json:"bytes"`
	Columns []string      `json:"columns"`
	Took    time.Duration `json:"took_ns"`
}

// Export writes a table or the result of a query, as it is at one moment, to w. On an error what was written is no whole
// file: see [WriteFile]. It keeps a snapshot for as long as it takes, which on a busy database keeps the write-ahead log from
// being reset.
//
// # Errors
//
// [ErrOptions], [ErrTable], [ErrValue] for a value that the format cannot keep, those of w, and those of the database.
func Export(ctx context.Context, db Store, w io.Writer, opt ExportOptions) (ExportReport, error) {
	start := time.Now()
	e := &export{opt: opt, to: &counting{w: w}, pace: newPace(opt.Progress)}
	switch {
	case opt.Format == nil:
		return ExportReport{}, optionsf("export needs a format")
	case (opt.Table == "") == (opt.Query == ""):
		return ExportReport{}, optionsf("export needs a table or a query, and not both")
	}
	err := db.View(ctx, "export", e.run)
	e.report.Bytes, e.report.Took = e.to.n, time.Since(start)
	return e.report, err
}

type export struct {
	opt    ExportOptions
	to     *counting
	pace   *pace
	report ExportReport
	total  int64
}

// counting counts what passes.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (e *export) run(ctx context.Context, r Reader) error {
	sql, args := e.opt.Query, e.opt.Args
	if e.opt.Table != "" {
		t, err := describe(ctx, r, e.opt.Table)
		if err != nil {
			return err
		}
		sql, args = t.selectAll(), nil
		if !t.view {
			err = each(ctx, r, "SELECT count(*) FROM "+quoteName(t.name), nil, func(v []sqlite.Value) error {
				e.total = v[0].Int
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	columns, err := e.columns(ctx, r, sql, args)
	if err != nil {
		return err
	}
	return e.write(ctx, r, sql, args, columns)
}

// selectAll reads every column that an import can write.
func (t *table) selectAll() string {
	var names []string
	for _, c := range t.columns {
		if !c.computed || t.view {
			names = append(names, quoteName(c.Name))
		}
	}
	sql := "SELECT " + strings.Join(names, ", ") + " FROM " + quoteName(t.name)
	if t.order != "" {
		sql += " ORDER BY " + t.order
	}
	return sql
}

// Censor is a Format whose files give every column one type: Export then looks at all values of the columns whose declared
// type does not tell, in the same snapshot, ahead of writing.
type Censor interface {
	// Census reports whether the values of a column of this kind must be looked at.
	Census(k Kind) bool
}

// columns are those of the result. Where the format must know more than was declared, the rows are read twice.
func (e *export) columns(ctx context.Context, r Reader, sql string, args []any) ([]Column, error) {
	rows, err := r.Query(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	names, decl := rows.Columns(), rows.DeclTypes()
	if err := rows.Close(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, optionsf("the statement returns no rows: export wants a SELECT")
	}
	columns := make([]Column, len(names))
	var ask []int
	for i, name := range names {
		declared := ""
		if i < len(decl) {
			declared = decl[i]
		}
		columns[i] = NewColumn(name, declared)
		if c, ok := e.opt.Format.(Censor); ok && c.Census(columns[i].Kind) {
			ask = append(ask, i)
		}
	}
	if len(ask) == 0 {
		return columns, nil
	}
	return columns, e.census(ctx, r, sql, args, columns, ask)
}

// census gives the columns in ask the type that all their values have.
func (e *export) census(ctx context.Context, r Reader, sql string, args []any, columns []Column, ask []int) error {
	seen := make([]map[sqlite.ColumnType]bool, len(columns))
	for _, i := range ask {
		seen[i] = map[sqlite.ColumnType]bool{}
	}
	err := each(ctx, r, sql, args, func(row []sqlite.Value) error {
		for _, i := range ask {
			seen[i][row[i].Type] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range ask {
		delete(seen[i], sqlite.Null)
		c := &columns[i]
		switch {
		case len(seen[i]) > 1:
			return &TableError{e.opt.Table, fmt.Sprintf("column %q holds values of several types, and in this format a column has one: "+
				"choose one with CAST(… AS TEXT) or its like in a query, or export to JSON lines", c.Name)}
		case seen[i][sqlite.Integer]:
			c.Kind = Integer
		case seen[i][sqlite.Float]:
			c.Kind = Real
		case seen[i][sqlite.Blob]:
			c.Kind = Blob
		default:
			c.Kind = Text
		}
	}
	return nil
}

func (e *export) write(ctx context.Context, r Reader, sql string, args []any, columns []Column) (err error) {
	for _, c := range columns {
		e.report.Columns = append(e.report.Columns, c.Name)
	}
	enc, err := e.opt.Format.Encoder(e.to, columns)
	if err != nil {
		return err
	}
	err = each(ctx, r, sql, args, func(row []sqlite.Value) error {
		if len(row) != len(columns) {
			return &TableError{e.opt.Table, "its columns changed meanwhile: export again"}
		}
		e.report.Rows++
		for i := range row {
			if why := mismatch(columns[i].Kind, &row[i]); why != "" {
				return &ValueError{Column: columns[i].Name, Row: e.report.Rows, Why: why}
			}
		}
		if err := enc.Row(row); err != nil {
			var bad *ValueError
			if errors.As(err, &bad) {
				bad.Row = e.report.Rows
			}
			return err
		}
		e.pace.report(Progress{Rows: e.report.Rows, Bytes: e.to.n, Total: e.total}, e.report.Rows, e.total)
		return nil
	})
	if err != nil {
		return err
	}
	return enc.Close()
}

// mismatch says why a value would come back from a file as another one: its column is declared to be of a type that the
// value is not of, as tables that are not STRICT allow.
func mismatch(k Kind, v *sqlite.Value) string {
	odd := false
	switch v.Type {
	case sqlite.Text:
		if !utf8.Valid(v.Bytes) {
			return "its text is not UTF-8: export CAST(… AS BLOB) instead"
		}
		odd = k == Blob || k == Real && (string(v.Bytes) == infinity || string(v.Bytes) == "-"+infinity)
	case sqlite.Blob:
		odd = k != Blob && k != Any
	case sqlite.Integer:
		odd = k == Blob || k == Text
	case sqlite.Float:
		odd = k == Blob || k == Text
		if math.IsNaN(v.Float) {
			return "it is not a number (NaN)"
		}
	}
	if odd {
		return fmt.Sprintf("it is %s and its column is declared %s, so it would come back as something else: say what it is to be, with CAST in a query",
			v.Type, k)
	}
	return ""
}
