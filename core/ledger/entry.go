package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tidegate/engine/core/sqlite"
)

// MaxResult is the most that is kept of the results of one call, in bytes.
const MaxResult = 256 << 10

// MaxKey is the longest key, in bytes.
const MaxKey = 255

// Step is what one statement of a call did. The zero value did nothing.
type Step struct {
	RowsAffected int64
	LastInsertID int64
	Columns      []string       // of the rows that are kept
	Values       []sqlite.Value // row after row
}

// format is the first byte of encoded results.
const format = 1

// Kinds of values.
const (
	kindNull byte = iota
	kindInteger
	kindFloat
	kindText
	kindBlob
)

// Encode packs results.
//
// # Errors
//
// *TooBigError when they are larger than MaxResult.
func Encode(steps []Step) ([]byte, error) {
	b := []byte{format}
	b = binary.AppendUvarint(b, uint64(len(steps)))
	for i := range steps {
		s := &steps[i]
		b = binary.AppendVarint(b, s.RowsAffected)
		b = binary.AppendVarint(b, s.LastInsertID)
		b = binary.AppendUvarint(b, uint64(len(s.Columns)))
		for _, c := range s.Columns {
			b = appendBytes(b, []byte(c))
		}
		b = binary.AppendUvarint(b, uint64(len(s.Values)))
		for _, v := range s.Values {
			b = appendValue(b, v)
		}
		if len(b) > MaxResult {
			return nil, &TooBigError{What: "the results of a call with a key", Limit: MaxResult}
		}
	}
	return b, nil
}

func appendBytes(b, p []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

func appendValue(b []byte, v sqlite.Value) []byte {
	switch v.Type {
	case sqlite.Integer:
		return binary.AppendVarint(append(b, kindInteger), v.Int)
	case sqlite.Float:
		return binary.BigEndian.AppendUint64(append(b, kindFloat), math.Float64bits(v.Float))
	case sqlite.Text:
		return appendBytes(append(b, kindText), v.Bytes)
	case sqlite.Blob:
		return appendBytes(append(b, kindBlob), v.Bytes)
	}
	return append(b, kindNull)
}

var errFormat = errors.New("the results kept with a key are in a form that this version cannot read")

// Decode unpacks what Encode made.
func Decode(b []byte) ([]Step, error) {
	if len(b) == 0 || b[0] != format {
		return nil, errFormat
	}
	d := decoder{rest: b[1:]}
	n := d.count(4) // a step takes four bytes or more
	steps := make([]Step, 0, n)
	for range n {
		var s Step
		s.RowsAffected, s.LastInsertID = d.varint(), d.varint()
		columns := d.count(1)
		for range columns {
			s.Columns = append(s.Columns, string(d.bytes()))
		}
		values := d.count(1)
		for range values {
			s.Values = append(s.Values, d.value())
		}
		if d.bad {
			return nil, errFormat
		}
		steps = append(steps, s)
	}
	if d.bad || len(d.rest) > 0 {
		return nil, errFormat
	}
	return steps, nil
}

// decoder reads and remembers whether anything was wrong.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) fail() { d.bad, d.rest = true, nil }

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count reads a number of things that take so many bytes each, at least: what is left bounds it.
func (d *decoder) count(each int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/each) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count(1)
	p := d.rest[:n]
	d.rest = d.rest[n:]
	return p
}

func (d *decoder) value() sqlite.Value {
	if len(d.rest) == 0 {
		d.fail()
		return sqlite.Value{}
	}
	kind := d.rest[0]
	d.rest = d.rest[1:]
	switch kind {
	case kindNull:
		return sqlite.Value{}
	case kindInteger:
		return sqlite.Value{Type: sqlite.Integer, Int: d.varint()}
	case kindFloat:
		if len(d.rest) < 8 {
			break
		}
		bits := binary.BigEndian.Uint64(d.rest)
		d.rest = d.rest[8:]
		return sqlite.Value{Type: sqlite.Float, Float: math.Float64frombits(bits)}
	case kindText:
		return sqlite.Value{Type: sqlite.Text, Bytes: append([]byte{}, d.bytes()...)}
	case kindBlob:
		return sqlite.Value{Type: sqlite.Blob, Bytes: append([]byte{}, d.bytes()...)}
	}
	d.fail()
	return sqlite.Value{}
}

// Fingerprint is what makes a call the same call. Two calls with one key and different fingerprints are a mistake of their caller.
type Fingerprint [sha256.Size]byte

// Print makes a fingerprint of the kind of a call and of what it is about: text, numbers, bytes, nil and booleans. Every part is written
// with its type and length, so that no two lists look the same.
func Print(kind string, parts ...any) Fingerprint {
	h := sha256.New()
	b := appendBytes(nil, []byte(kind))
	for _, p := range parts {
		b = appendPart(b, p)
		if len(b) > 4<<10 {
			h.Write(b)
			b = b[:0]
		}
	}
	h.Write(b)
	return Fingerprint(h.Sum(nil))
}

func appendPart(b []byte, p any) []byte {
	switch v := p.(type) {
	case nil:
		return append(b, kindNull)
	case bool:
		if v {
			return appendPart(b, int64(1))
		}
		return appendPart(b, int64(0))
	case int:
		return appendPart(b, int64(v))
	case int64:
		return appendValue(b, sqlite.Value{Type: sqlite.Integer, Int: v})
	case float64:
		return appendValue(b, sqlite.Value{Type: sqlite.Float, Float: v})
	case string:
		return appendBytes(append(b, kindText), []byte(v))
	case []byte:
		return appendBytes(append(b, kindBlob), v)
	}
	return appendBytes(append(b, 0xff), fmt.Appendf(nil, "%T %v", p, p))
}
