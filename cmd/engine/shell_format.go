package main

import (
	"bufio"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/engine/internal/shell"
)

// formatRows makes the writers of the shell's modes.
func formatRows(mode string, w io.Writer, columns []string, width int) (shell.RowWriter, error) {
	switch mode {
	case "json":
		o, err := newObjects(w, columns)
		return exported{o}, err
	case "csv":
		c := &commaRows{w: csv.NewWriter(w)}
		return c, c.w.Write(columns)
	case "line":
		return newNamedLines(w, columns), nil
	case "table":
		if width > 0 {
			return &grid{w: w, columns: columns, width: width}, nil
		}
		return exported{newTable(w, columns)}, nil
	}
	return nil, fmt.Errorf("there is no mode %q", mode)
}

// exported gives a rowWriter the method names that another package can call.
type exported struct{ rowWriter }

func (e exported) Row(values []any) error { return e.row(values) }
func (e exported) End() error             { return e.end() }

// commaRows writes RFC 4180 with a head. NULL is an empty field; an empty text is the same, for CSV has one form for both. Blobs are in
// hexadecimal.
type commaRows struct{ w *csv.Writer }

func (c *commaRows) Row(values []any) error {
	fields := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case string:
			fields[i] = v
		case []byte:
			fields[i] = hex.EncodeToString(v)
		case float64:
			fields[i] = float(v)
		default:
			fields[i] = fmt.Sprint(v)
		}
	}
	return c.w.Write(fields)
}

func (c *commaRows) End() error {
	c.w.Flush()
	return c.w.Error()
}

// namedLines writes each value on a line of its own, with nothing left out, and an empty line between two rows.
type namedLines struct {
	w     *bufio.Writer
	names []string
	begun bool
}

func newNamedLines(w io.Writer, columns []string) *namedLines {
	widest := 0
	l := &namedLines{w: bufio.NewWriter(w)}
	for _, c := range columns {
		widest = max(widest, utf8.RuneCountInString(printable(c)))
	}
	for _, c := range columns {
		l.names = append(l.names, strings.Repeat(" ", widest-utf8.RuneCountInString(printable(c)))+printable(c))
	}
	return l
}

func (l *namedLines) Row(values []any) error {
	if l.begun {
		l.w.WriteByte('\n')
	}
	l.begun = true
	for i, v := range values {
		text := cell(v)
		if b, ok := v.([]byte); ok {
			text = "x'" + hex.EncodeToString(b) + "'"
		}
		l.w.WriteString(l.names[i])
		l.w.WriteString(" = ")
		l.w.WriteString(text)
		l.w.WriteByte('\n')
	}
	return nil // a bufio.Writer keeps its first error until End
}

func (l *namedLines) End() error { return l.w.Flush() }

// grid is a table that fits a terminal: columns that are too wide give way, the widest first, and a value that does not fit its column ends
// in an ellipsis. As with table, widths are settled by the first rows.
type grid struct {
	w       io.Writer
	columns []string
	width   int
	waiting [][]any
	fit     *table
	cut     bool
}

// narrowest is the width below which a column does not give way: where even that is too much, the terminal wraps the line.
const narrowest = 8

func (g *grid) Row(values []any) error {
	if g.fit != nil {
		return g.print(values)
	}
	if g.waiting = append(g.waiting, values); len(g.waiting) < sample {
		return nil
	}
	return g.settle()
}

func (g *grid) settle() error {
	g.fit = newTable(g.w, g.columns)
	t := g.fit
	for _, values := range g.waiting {
		for i, v := range values {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell(v)))
			t.numbers[i] = t.numbers[i] && isNumber(v)
		}
	}
	narrow(t.widths, g.width-2*(len(t.widths)-1))
	for i, c := range t.columns {
		t.columns[i] = g.shorten(c, t.widths[i])
	}
	if err := t.settle(); err != nil {
		return err
	}
	for _, values := range g.waiting {
		if err := g.print(values); err != nil {
			return err
		}
	}
	g.waiting = nil
	return t.w.Flush()
}

func (g *grid) print(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = g.shorten(cell(v), g.fit.widths[i])
	}
	return g.fit.print(cells)
}

func (g *grid) shorten(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	g.cut = true
	return string(runes[:width-1]) + "…"
}

// narrow gives all columns the one limit under which they fit into the room, and what is left over to the first that it cuts.
func narrow(widths []int, room int) {
	limit := narrowest
	for taken(widths, limit+1) <= room && limit < room {
		limit++
	}
	left := room - taken(widths, limit)
	for i, w := range widths {
		if w <= limit {
			continue
		}
		widths[i] = limit
		if left > 0 {
			widths[i]++
			left--
		}
	}
}

// taken is how much room columns take that are no wider than the limit.
func taken(widths []int, limit int) int {
	sum := 0
	for _, w := range widths {
		sum += min(w, limit)
	}
	return sum
}

func (g *grid) End() error {
	if g.fit == nil {
		if err := g.settle(); err != nil {
			return err
		}
	}
	return g.fit.w.Flush()
}

// Cut implements shell.Cutter.
func (g *grid) Cut() bool { return g.cut }
