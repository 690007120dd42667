package review

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidegate/engine/internal/sqltext"
)

// statement is a statement with the line it begins in.
type statement struct {
	sqltext.Statement
	line int
}

// file is a migration taken apart.
type file struct {
	name          string
	version       int
	compat        int      // -1: none given
	touches       []string // lower case
	hasTouches    bool
	converts      map[string]int // table → line
	allowed       map[string]bool
	up, down      []statement
	verify        []statement
	background    []statement
	opt           Options
	before, after *model
}

func read(f File) *file {
	x := &file{name: f.Name, compat: -1, converts: map[string]int{}, allowed: map[string]bool{}}
	if digits, _, ok := strings.Cut(f.Name, "_"); ok {
		x.version, _ = strconv.Atoi(digits) // a name without a number is the parser's business
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(f.Content), "\ufeff"), "\r\n", "\n")
	section, start := "", 0
	var body strings.Builder
	flush := func() { x.section(section, body.String(), start) }
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if words := strings.Fields(trimmed); len(words) > 4 && words[0] == "--" && words[1] == "lint" && words[2] == "allow" {
			x.allowed[words[3]] = true // the words behind it are the reason
		}
		if name, ok := strings.CutPrefix(trimmed, "-- +"); ok {
			flush()
			section, start = name, i+1
			body.Reset()
			continue
		}
		if section == "" {
			x.header(trimmed, i+1)
		}
		body.WriteString(line)
		body.WriteByte('\n')
	}
	flush()
	return x
}

func (x *file) section(name, body string, offset int) {
	var list []statement
	for _, s := range sqltext.Statements(body) {
		list = append(list, statement{s, offset + sqltext.Line(body, s.Start)})
	}
	switch name {
	case "up":
		x.up = list
	case "down":
		x.down = list
	case "verify":
		x.verify = list
	case "background":
		x.background = list
	}
}

func (x *file) header(line string, number int) {
	key, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "--")), ":")
	if !ok {
		return
	}
	value, _, _ = strings.Cut(value, "--")
	value = strings.TrimSpace(value)
	switch key {
	case "compat":
		x.compat, _ = strconv.Atoi(value) // what is no number is the parser's business
	case "touches":
		x.hasTouches = true
		for _, t := range strings.Split(value, ",") {
			x.touches = append(x.touches, strings.ToLower(sqltext.Unquote(strings.TrimSpace(t))))
		}
	case "convert":
		table, _, _ := strings.Cut(value, ".")
		x.converts[strings.ToLower(sqltext.Unquote(strings.TrimSpace(table)))] = number
	}
}

// touched reports whether the file says of itself that it changes the rows of a table.
func (x *file) touched(table string) bool {
	_, converts := x.converts[table]
	return converts || slices.Contains(x.touches, table)
}

// large reports whether a table that exists already has so many rows that reading all of them takes time.
func (x *file) large(table string) (rows int64, large bool) {
	if _, known := x.before.tables[table]; !known {
		return 0, false
	}
	if x.opt.Rows == nil {
		return 0, true
	}
	rows = x.opt.Rows[table]
	return rows, rows >= 100_000
}
