package bulk

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/tidegate/engine/core/sqlite"
)

// JSONLines is one JSON object a line. Integers of 64 bits are exact; a reader that makes floats of them may lose digits beyond
// 2^53, see BigAsText. Blobs are base64 in columns declared BLOB, and {"base64": "…"} where the column does not say; an
// infinite REAL is "Infinity" or "-Infinity".
type JSONLines struct {
	// BigAsText writes integers beyond ±2^53 as strings. Import takes them in columns of integers either way.
	BigAsText bool
}

const jsonName = "JSON lines"

// Name implements Format.
func (JSONLines) Name() string { return "jsonl" }

// Decoder implements Format.
func (JSONLines) Decoder(r io.Reader) (Decoder, error) {
	src, err := newSource(r)
	if err != nil {
		return nil, err
	}
	return &jsonDecoder{source: src, keys: map[string]string{}}, nil
}

type jsonDecoder struct {
	*source
	object object
	keys   map[string]string // those seen, so that a row's names are not new text each time
}

// maxMembers is more than SQLite lets a table have columns.
const maxMembers = 2000

// maxKeys bounds the keys that are remembered.
const maxKeys = 4096

// Columns implements Decoder.
func (d *jsonDecoder) Columns() []string { return nil }

// Seek implements Decoder.
func (d *jsonDecoder) Seek(to Place) error { return d.seek(jsonName, to) }

// Next implements Decoder.
func (d *jsonDecoder) Next(rec *Record) error {
	for {
		d.begin()
		rec.Line = d.at.Line + 1
		if _, err := d.line(jsonName); err != nil {
			return err
		}
		if len(withoutEnd(d.raw)) > 0 {
			break
		}
	}
	d.at.Rows++
	rec.After, rec.Raw, rec.Bad = d.at, d.raw, ""
	rec.Cells, rec.Names = rec.Cells[:0], rec.Names[:0]
	if !d.object.read(d.raw, func(key []byte, v Cell) string {
		name := d.key(key)
		switch {
		case len(rec.Names) >= maxMembers:
			return "it has more values than a table has columns"
		case slices.Contains(rec.Names, name):
			return "a key is there twice"
		}
		rec.Names, rec.Cells = append(rec.Names, name), append(rec.Cells, v)
		return ""
	}) {
		rec.Bad = d.object.bad
	}
	return nil
}

func (d *jsonDecoder) key(b []byte) string {
	if name, ok := d.keys[string(b)]; ok {
		return name
	}
	if len(d.keys) >= maxKeys {
		clear(d.keys)
	}
	name := string(b)
	d.keys[name] = name
	return name
}

// Encoder implements Format.
func (f JSONLines) Encoder(w io.Writer, columns []Column) (Encoder, error) {
	e := &jsonEncoder{w: bufio.NewWriterSize(w, 64<<10), columns: columns, bigAsText: f.BigAsText}
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c.Name] {
			return nil, optionsf("two columns are named %q, and an object holds each key once: rename one with AS", c.Name)
		}
		seen[c.Name] = true
		e.keys = append(e.keys, append(appendJSON(nil, []byte(c.Name)), ':'))
	}
	return e, nil
}

type jsonEncoder struct {
	w         *bufio.Writer
	columns   []Column
	keys      [][]byte
	bigAsText bool
	line      []byte
}

// Row implements Encoder.
func (e *jsonEncoder) Row(row []sqlite.Value) error {
	e.line = append(e.line[:0], '{')
	for i := range row {
		if i > 0 {
			e.line = append(e.line, ',')
		}
		e.line = append(e.line, e.keys[i]...)
		if why := e.value(&e.columns[i], &row[i]); why != "" {
			return &ValueError{Column: e.columns[i].Name, Why: why}
		}
	}
	e.line = append(e.line, '}', '\n')
	_, err := e.w.Write(e.line)
	return err
}

// Close implements Encoder.
func (e *jsonEncoder) Close() error { return e.w.Flush() }

// exactInFloats is the largest integer up to which all are exact as floats.
const exactInFloats = 1 << 53

func (e *jsonEncoder) value(col *Column, v *sqlite.Value) (why string) {
	switch v.Type {
	case sqlite.Integer:
		if e.bigAsText && (v.Int > exactInFloats || v.Int < -exactInFloats) {
			e.line = append(e.line, '"')
			e.line = append(strconv.AppendInt(e.line, v.Int, 10), '"')
			return ""
		}
		e.line = strconv.AppendInt(e.line, v.Int, 10)
	case sqlite.Float:
		if !math.IsInf(v.Float, 0) {
			e.line = appendReal(e.line, v.Float)
			return ""
		}
		if col.Kind != Real {
			return fmt.Sprintf("it is infinite, which JSON cannot write, and the column's type %s would not bring it back", col.Kind)
		}
		e.line = append(e.line, '"')
		e.line = append(appendReal(e.line, v.Float), '"')
	case sqlite.Text:
		e.line = appendJSON(e.line, v.Bytes)
	case sqlite.Blob:
		if col.Kind != Blob {
			e.line = append(e.line, `{"`+blobKey+`":`...)
		}
		e.line = append(e.line, '"')
		e.line = append(base64.StdEncoding.AppendEncode(e.line, v.Bytes), '"')
		if col.Kind != Blob {
			e.line = append(e.line, '}')
		}
	default:
		e.line = append(e.line, "null"...)
	}
	return ""
}

// appendJSON writes text, which is UTF-8, as a JSON string.
func appendJSON(b, text []byte) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(b, text[from:]...), '"')
}
