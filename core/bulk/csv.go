package bulk

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/engine/core/sqlite"
)

// CSV is the format of RFC 4180, with or without a byte order mark and carriage returns.
//
// A value without quotes that equals Null is NULL; one in quotes never is, so "" is the empty text. Blobs are base64 in
// columns declared BLOB, and x'…' in columns without a type, where text is always in quotes and numbers are not.
type CSV struct {
	// Null is how NULL is written, without quotes. The zero value is: not at all.
	Null string
	// Comma stands between values. 0 is a comma.
	Comma byte
	// Columns names the columns of a file that has no header. Nil: the first line is the header, and export writes one.
	Columns []string
	// NoHeader lets export leave the header out.
	NoHeader bool
}

const csvName = "CSV"

// Name implements Format.
func (f CSV) Name() string {
	return fmt.Sprintf("csv null=%q comma=%q columns=%q", f.Null, f.comma(), f.Columns)
}

func (f CSV) comma() byte {
	if f.Comma == 0 {
		return ','
	}
	return f.Comma
}

func (f CSV) mistake() error {
	switch c := f.comma(); {
	case c == '"' || c == '\n' || c == '\r' || c == '-' || c == '.' || c >= utf8.RuneSelf || isDigit(c) || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
		return optionsf("%q cannot stand between the values of a CSV file: use a comma, a semicolon or a tab", c)
	}
	if strings.ContainsAny(f.Null, "\"\r\n"+string(rune(f.comma()))) {
		return optionsf("the sign for NULL must hold no quotation mark, line end or separator")
	}
	if _, ok := parseNumber([]byte(f.Null)); ok {
		return optionsf("a number cannot be the sign for NULL: it would be taken for NULL where it is a value")
	}
	return nil
}

// Decoder implements Format.
func (f CSV) Decoder(r io.Reader) (Decoder, error) {
	if err := f.mistake(); err != nil {
		return nil, err
	}
	src, err := newSource(r)
	if err != nil {
		return nil, err
	}
	d := &csvDecoder{source: src, comma: f.comma(), null: f.Null, columns: f.Columns}
	if d.columns != nil {
		return d, nil
	}
	var head Record
	switch err := d.Next(&head); {
	case err == io.EOF:
		return nil, &FormatError{Format: csvName, Why: "the file is empty: it has no header"}
	case err != nil:
		return nil, err
	case head.Bad != "":
		return nil, &FormatError{Format: csvName, Line: head.Line, Why: "the header cannot be read: " + head.Bad}
	}
	d.columns = make([]string, len(head.Cells))
	for i, c := range head.Cells {
		d.columns[i] = string(c.Bytes)
	}
	d.at.Rows = 0
	return d, nil
}

// csvDecoder reads CSV byte by byte: encoding/csv turns CR LF inside quotes into LF, cannot tell "" from nothing, and skips
// empty lines where one column makes them rows.
type csvDecoder struct {
	*source
	comma   byte
	null    string
	columns []string
	text    []byte // of the row's values, without quotes
	fields  []csvField
	state   csvState
	bad     string
}

type csvField struct {
	end    int // in text
	quoted bool
}

type csvState uint8

const (
	csvStart  csvState = iota // at the first byte of a value
	csvBare                   // in a value without quotes
	csvQuoted                 // inside quotes
	csvClosed                 // behind a quotation mark that may be the closing one
)

// Columns implements Decoder.
func (d *csvDecoder) Columns() []string { return d.columns }

// Seek implements Decoder.
func (d *csvDecoder) Seek(to Place) error { return d.seek(csvName, to) }

// Next implements Decoder.
func (d *csvDecoder) Next(rec *Record) error {
	d.begin()
	d.text, d.fields, d.state, d.bad = d.text[:0], d.fields[:0], csvStart, ""
	rec.Bad, rec.Line = "", d.at.Line+1
	for {
		from, err := d.line(csvName)
		if err == io.EOF && from > 0 {
			return &FormatError{Format: csvName, Line: rec.Line, Why: "a quotation mark of this row is never closed: nobody knows which rows follow"}
		}
		if err != nil {
			return err
		}
		if from == 0 && len(d.columns) > 1 && len(withoutEnd(d.raw)) == 0 {
			d.begin()
			rec.Line++
			continue // between rows of several columns an empty line says nothing
		}
		if d.scan(d.raw[from:]) {
			break
		}
	}
	d.at.Rows++
	rec.After, rec.Raw = d.at, d.raw
	rec.Cells = d.cells(rec.Cells[:0])
	if rec.Bad = d.bad; rec.Bad == "" && d.columns != nil && len(d.fields) != len(d.columns) {
		rec.Bad = fmt.Sprintf("it has %d values, and there are %d columns", len(d.fields), len(d.columns))
	}
	return nil
}

// scan reads a line, which ends the row unless it ends inside quotes.
func (d *csvDecoder) scan(line []byte) (ended bool) {
	body := withoutEnd(line)
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch d.state {
		case csvStart, csvBare:
			switch {
			case c == d.comma:
				d.field()
			case c == '"' && d.state == csvStart:
				d.state = csvQuoted
				d.fields = append(d.fields, csvField{quoted: true})
			case c == '"':
				d.bad = "there is a quotation mark in a value without quotes: put the value in quotes, and the mark twice"
				fallthrough
			default:
				if d.state == csvStart {
					d.state = csvBare
					d.fields = append(d.fields, csvField{})
				}
				d.text = append(d.text, c)
			}
		case csvQuoted:
			if c == '"' {
				d.state = csvClosed
				continue
			}
			end := bytes.IndexByte(body[i:], '"')
			if end < 0 {
				end = len(body) - i
			}
			d.text = append(d.text, body[i:i+end]...)
			i += end - 1
		case csvClosed:
			switch c {
			case '"':
				d.text = append(d.text, '"')
				d.state = csvQuoted
			case d.comma:
				d.field()
			default:
				d.bad = "something follows the closing quotation mark of a value"
				d.state = csvBare
			}
		}
	}
	if d.state == csvQuoted {
		d.text = append(d.text, line[len(body):]...)
		return false
	}
	d.field()
	return true
}

// field ends a value.
func (d *csvDecoder) field() {
	if d.state == csvStart {
		d.fields = append(d.fields, csvField{})
	}
	d.fields[len(d.fields)-1].end = len(d.text)
	d.state = csvStart
}

func (d *csvDecoder) cells(out []Cell) []Cell {
	from := 0
	for _, f := range d.fields {
		c := Cell{Kind: CellBare, Bytes: d.text[from:f.end]}
		switch {
		case f.quoted:
			c.Kind = CellText
		case string(c.Bytes) == d.null:
			c.Kind = CellNull
		}
		out = append(out, c)
		from = f.end
	}
	return out
}

// Encoder implements Format.
func (f CSV) Encoder(w io.Writer, columns []Column) (Encoder, error) {
	if err := f.mistake(); err != nil {
		return nil, err
	}
	e := &csvEncoder{w: bufio.NewWriterSize(w, 64<<10), columns: columns, comma: f.comma(), null: f.Null}
	if f.NoHeader {
		return e, nil
	}
	for i, c := range columns {
		if i > 0 {
			e.line = append(e.line, e.comma)
		}
		e.text([]byte(c.Name), false)
	}
	return e, e.end()
}

type csvEncoder struct {
	w       *bufio.Writer
	columns []Column
	comma   byte
	null    string
	line    []byte
}

// Row implements Encoder.
func (e *csvEncoder) Row(row []sqlite.Value) error {
	for i := range row {
		if i > 0 {
			e.line = append(e.line, e.comma)
		}
		if err := e.value(&e.columns[i], &row[i]); err != nil {
			e.line = e.line[:0]
			return err
		}
	}
	return e.end()
}

func (e *csvEncoder) end() error {
	e.line = append(e.line, '\r', '\n')
	_, err := e.w.Write(e.line)
	e.line = e.line[:0]
	return err
}

// Close implements Encoder.
func (e *csvEncoder) Close() error { return e.w.Flush() }

func (e *csvEncoder) value(col *Column, v *sqlite.Value) error {
	start := len(e.line)
	switch v.Type {
	case sqlite.Null:
		e.line = append(e.line, e.null...)
		return nil
	case sqlite.Integer:
		e.line = strconv.AppendInt(e.line, v.Int, 10)
	case sqlite.Float:
		e.line = appendReal(e.line, v.Float)
	case sqlite.Text:
		e.text(v.Bytes, col.Kind == Any || col.Kind == Numeric)
		return nil
	case sqlite.Blob:
		switch {
		case col.Kind == Any:
			e.line = append(e.line, "x'"...)
			e.line = hex.AppendEncode(e.line, v.Bytes)
			e.line = append(e.line, '\'')
		case len(v.Bytes) == 0:
			e.line = append(e.line, `""`...)
		default:
			e.line = base64.StdEncoding.AppendEncode(e.line, v.Bytes)
		}
	}
	if string(e.line[start:]) == e.null {
		return &ValueError{Column: col.Name, Why: "it is written like the sign for NULL: choose another sign"}
	}
	return nil
}

// text writes text, in quotes where it would be read as something else without them.
func (e *csvEncoder) text(b []byte, always bool) {
	if !always && len(b) > 0 && string(b) != e.null && bytes.IndexByte(b, e.comma) < 0 && !bytes.ContainsAny(b, "\"\r\n") && !bytes.HasPrefix(b, []byte(bom)) {
		e.line = append(e.line, b...)
		return
	}
	e.line = append(e.line, '"')
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			break
		}
		e.line = append(e.line, b[:i+1]...)
		e.line = append(e.line, '"')
		b = b[i+1:]
	}
	e.line = append(e.line, b...)
	e.line = append(e.line, '"')
}
