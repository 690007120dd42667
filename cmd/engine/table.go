package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// rowWriter takes the rows of a result one by one. Nothing is sure to be written before end.
type rowWriter interface {
	row(values []any) error
	end() error
}

// sample is how many rows a table looks at before it settles its column widths and begins to write.
const sample = 100

// table writes rows in aligned columns as they come: memory does not grow with the result.
type table struct {
	w       *bufio.Writer
	columns []string
	widths  []int
	numbers []bool // aligned to the right
	waiting [][]string
	settled bool
}

func newTable(w io.Writer, columns []string) *table {
	t := &table{w: bufio.NewWriter(w), columns: make([]string, len(columns)), widths: make([]int, len(columns)), numbers: make([]bool, len(columns))}
	for i, c := range columns {
		t.columns[i] = printable(c)
		t.widths[i] = utf8.RuneCountInString(t.columns[i])
		t.numbers[i] = true
	}
	return t
}

func (t *table) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cell(v)
		if !t.settled {
			t.widths[i] = max(t.widths[i], min(utf8.RuneCountInString(cells[i]), maxWidth))
			t.numbers[i] = t.numbers[i] && isNumber(v)
		}
	}
	if t.settled {
		return t.print(cells)
	}
	if t.waiting = append(t.waiting, cells); len(t.waiting) < sample {
		return nil
	}
	return t.settle()
}

// maxWidth bounds a column, so that one long text does not push the others off the screen; it is printed in full all the same.
const maxWidth = 60

// settle writes the head and what has waited for it.
func (t *table) settle() error {
	t.settled = true
	rule := make([]string, len(t.columns))
	for i := range rule {
		rule[i] = strings.Repeat("-", t.widths[i])
	}
	for _, cells := range append([][]string{t.columns, rule}, t.waiting...) {
		if err := t.print(cells); err != nil {
			return err
		}
	}
	t.waiting = nil
	return t.w.Flush()
}

func (t *table) print(cells []string) error {
	for i, c := range cells {
		gap := max(0, t.widths[i]-utf8.RuneCountInString(c))
		if i > 0 {
			t.w.WriteString("  ")
		}
		if t.numbers[i] {
			t.w.WriteString(strings.Repeat(" ", gap))
		}
		t.w.WriteString(c)
		if !t.numbers[i] && i < len(cells)-1 {
			t.w.WriteString(strings.Repeat(" ", gap))
		}
	}
	return t.w.WriteByte('\n') // a bufio.Writer keeps its first error
}

func (t *table) end() error {
	if !t.settled {
		if err := t.settle(); err != nil {
			return err
		}
	}
	return t.w.Flush()
}

func isNumber(v any) bool {
	switch v.(type) {
	case nil, int64, float64:
		return true
	}
	return false
}

// cell writes a value so that NULL, ” and the text NULL are three different things.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return float(v)
	case []byte:
		if len(v) > maxBlob {
			return fmt.Sprintf("x'%s…' (%d bytes)", hex.EncodeToString(v[:maxBlob]), len(v))
		}
		return "x'" + hex.EncodeToString(v) + "'"
	case string:
		if v == "" || v == "NULL" {
			return "'" + v + "'"
		}
		return printable(v)
	}
	return printable(fmt.Sprint(v))
}

// maxBlob is how many bytes of a blob a table shows.
const maxBlob = 16

// float writes a real so that it is not taken for an integer.
func float(x float64) string {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if strings.IndexFunc(s, func(r rune) bool { return r != '-' && (r < '0' || r > '9') }) < 0 {
		s += ".0"
	}
	return s
}

// printable escapes what would break a line or speak to the terminal.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// objects writes each row as one JSON object on a line of its own.
type objects struct {
	w    *bufio.Writer
	keys [][]byte
}

func newObjects(w io.Writer, columns []string) (*objects, error) {
	o := &objects{w: bufio.NewWriter(w)}
	taken := map[string]bool{} // an object holds each key once
	for _, c := range columns {
		taken[c] = true
	}
	seen := map[string]int{}
	for _, c := range columns {
		if n := seen[c]; n > 0 {
			name := c
			for taken[name] {
				n++
				name = fmt.Sprintf("%s_%d", c, n)
			}
			seen[c], taken[name] = n, true
			c = name
		} else {
			seen[c] = 1
		}
		key, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		o.keys = append(o.keys, key)
	}
	return o, nil
}

func (o *objects) row(values []any) error {
	o.w.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			o.w.WriteByte(',')
		}
		o.w.Write(o.keys[i])
		o.w.WriteByte(':')
		value, err := json.Marshal(jsonValue(v))
		if err != nil {
			return err
		}
		o.w.Write(value)
	}
	_, err := o.w.WriteString("}\n")
	return err
}

func (o *objects) end() error { return o.w.Flush() }

// exact is the largest integer up to which every integer is a JSON number that all readers keep exact.
const exact = 1 << 53

// jsonValue gives a value the form in which no reader of JSON loses any of it: large integers and infinities are strings,
// bytes and text that is not UTF-8 are in hexadecimal.
func jsonValue(v any) any {
	switch v := v.(type) {
	case int64:
		if v > exact || v < -exact {
			return strconv.FormatInt(v, 10)
		}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	case string:
		if !utf8.ValidString(v) {
			return map[string]string{"text_hex": hex.EncodeToString([]byte(v))}
		}
	case []byte:
		return map[string]string{"hex": hex.EncodeToString(v)}
	}
	return v
}
