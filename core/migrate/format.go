package migrate

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/engine/core/migrate/convert"
)

// Migration is one file of a set. The zero value is not a migration; [Parse]
// makes one.
type Migration struct {
	Component  string               // of its set
	Version    int                  // the number the file name starts with, from 1
	Name       string               // the header line "-- migration:"
	File       string               // the file's name inside its set
	Compat     int                  // lowest version a program must know to open the database once this one is applied
	Convert    []*convert.Directive // columns whose type changes, before the statements of Up
	Touches    []string             // tables whose rows it may change, in lower case; nil: those that its statements name
	Needs      int                  // version of the main schema that a plug-in's migration builds on; 0: any
	Squashes   string               // schema hash that the files it stands for led to; "" for a plain migration
	Up         string               // SQL that applies it; "" for a Go migration
	Down       string               // SQL that takes it back; stored in the database, so that an older program can run it
	Verify     []string
	Background string // one statement that is repeated after the start until it changes no row; "" for none
	Checksum   string // of the normalised text, with the algorithm's tag

	code *GoMigration
}

// FormatError says what is wrong with a migration file, and where.
type FormatError struct {
	File   string
	Line   int // from 1; 0 where the whole file is meant
	Msg    string
	Remedy string
}

func (e *FormatError) Error() string {
	at := e.File
	if e.Line > 0 {
		at += ":" + strconv.Itoa(e.Line)
	}
	return fmt.Sprintf("migration %s: %s; %s", at, e.Msg, e.Remedy)
}

// sections a file may have, in the order they must come.
const (
	inHeader = iota
	inUp
	inDown
	inVerify
	inBackground
)

func sectionOf(line string) (int, bool) {
	switch strings.TrimRight(line, " \t") {
	case "-- +up":
		return inUp, true
	case "-- +down":
		return inDown, true
	case "-- +verify":
		return inVerify, true
	case "-- +background":
		return inBackground, true
	}
	return 0, false
}

// Parse reads one migration file. The name gives the version and must look
// like 0001_words.sql.
//
// # Errors
//
// A [*FormatError] that names the line. A header key that this build does not
// know is an error: skipping "-- convert:" would lose data quietly.
func Parse(file string, content []byte) (*Migration, error) {
	p := &parser{m: &Migration{File: file}}
	version, err := versionOf(file)
	if err != nil {
		return nil, err
	}
	p.m.Version, p.m.Compat = version, version
	if !utf8.Valid(content) || strings.IndexByte(string(content), 0) >= 0 {
		return nil, &FormatError{File: file, Msg: "is not UTF-8 text", Remedy: "save it as UTF-8 without NUL bytes"}
	}
	text := normalise(content)
	p.m.Checksum = checksum(text)
	for i, line := range strings.Split(text, "\n") {
		p.line = i + 1
		if err := p.feed(line); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

type parser struct {
	m       *Migration
	line    int
	section int
	seen    [5]bool
	body    [5]strings.Builder
}

func (p *parser) fail(msg, remedy string) error {
	return &FormatError{File: p.m.File, Line: p.line, Msg: msg, Remedy: remedy}
}

func (p *parser) feed(line string) error {
	if s, ok := sectionOf(line); ok {
		if s <= p.section || p.seen[s] {
			return p.fail("section "+strings.TrimSpace(line)+" is repeated or out of order", "order them up, down, verify, background, each once")
		}
		p.section, p.seen[s] = s, true
		return nil
	}
	if strings.HasPrefix(line, "-- +") {
		return p.fail("unknown section "+strings.TrimSpace(line), "use -- +up, -- +down, -- +verify or -- +background")
	}
	if p.section == inHeader {
		return p.header(line)
	}
	p.body[p.section].WriteString(line)
	p.body[p.section].WriteByte('\n')
	return nil
}

func (p *parser) header(line string) error {
	line = strings.TrimSpace(line)
	if line == "" {
		return nil
	}
	comment, ok := strings.CutPrefix(line, "--")
	if !ok {
		return p.fail("SQL before the first section", "put it under -- +up")
	}
	key, value, ok := strings.Cut(strings.TrimSpace(comment), ":")
	if !ok || strings.ContainsAny(key, " \t") {
		return nil // a plain comment
	}
	value, _, _ = strings.Cut(value, "--") // a remark behind the value
	value = strings.TrimSpace(value)
	switch key {
	case "migration":
		if p.m.Name != "" || value == "" {
			return p.fail("the header needs one name", "write one line: -- migration: what it does")
		}
		p.m.Name = value
	case "compat":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > p.m.Version {
			return p.fail("compat is not a version up to its own", "write the lowest version that can open the database afterwards, as in -- compat: 0001")
		}
		p.m.Compat = n
	case "touches":
		if p.m.Touches != nil {
			return p.fail("touches is given twice", "name all tables in one line: -- touches: orders, fills")
		}
		p.m.Touches = []string{}
		for _, t := range strings.Split(value, ",") {
			if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
				p.m.Touches = append(p.m.Touches, t)
			}
		}
	case "convert":
		d, err := convert.Parse(value)
		if err != nil {
			return p.fail(err.Error(), "see package core/migrate/convert for what a conversion may say")
		}
		p.m.Convert = append(p.m.Convert, d)
	case "needs":
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(value, Component)))
		if err != nil || n < 1 {
			return p.fail("needs is not a version of the main schema", "write it as in -- needs: main 0004")
		}
		p.m.Needs = n
	case "squashes":
		if !strings.HasPrefix(value, hashTag) {
			return p.fail("squashes holds no schema hash", "let engine migrate squash write the file")
		}
		p.m.Squashes = value
	default:
		return p.fail("unknown header "+strconv.Quote(key), "upgrade the engine if a newer one knows it, or write a comment without a colon after its first word")
	}
	return nil
}

func (p *parser) finish() (*Migration, error) {
	p.line = 0
	if p.m.Name == "" {
		return nil, p.fail("has no name", "begin it with -- migration: what it does")
	}
	p.m.Up, p.m.Down = p.body[inUp].String(), p.body[inDown].String()
	if len(splitQueries(p.m.Up)) == 0 && len(p.m.Convert) == 0 {
		return nil, p.fail("has nothing to apply", "put SQL under -- +up")
	}
	if len(splitQueries(p.m.Down)) == 0 && len(p.m.Convert) == 0 {
		return nil, p.fail("cannot be taken back", "put the SQL that undoes it under -- +down")
	}
	p.m.Verify = splitQueries(p.body[inVerify].String())
	background := splitQueries(p.body[inBackground].String())
	if len(background) > 1 || p.seen[inBackground] && len(background) == 0 {
		return nil, p.fail("the background section needs one statement", "write one UPDATE, INSERT or DELETE that takes :batch rows and finds none left at its end")
	}
	if len(background) == 1 {
		p.m.Background = background[0]
	}
	return p.m, nil
}

func versionOf(file string) (int, error) {
	digits, rest, ok := strings.Cut(file, "_")
	bad := &FormatError{File: file, Msg: "has no version in its name", Remedy: "name it like 0001_what_it_does.sql"}
	if !ok || len(digits) != 4 || !strings.HasSuffix(rest, ".sql") || len(rest) <= len(".sql") {
		return 0, bad
	}
	for _, r := range digits {
		if r < '0' || r > '9' {
			return 0, bad
		}
	}
	v, err := strconv.Atoi(digits)
	if err != nil || v == 0 {
		return 0, bad
	}
	return v, nil
}
