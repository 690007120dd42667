package convert

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/tidegate/engine/core/sqlite"
)

// function turns one value into another, or says why it cannot. The reason never shows the value.
type function func(sqlite.Value) (out sqlite.Value, reason string)

// mapping is a codec for two declared types. back is the inverse of there: what it cannot bring back is no conversion.
type mapping struct{ there, back function }

func (m mapping) inverse() mapping { return mapping{m.back, m.there} }

// affinity is what SQLite makes of a declared type.
type affinity uint8

const (
	asNumeric affinity = iota
	asInteger
	asReal
	asText
	asBlob // and no type at all
)

// affinityOf follows SQLite's rules for declared types.
func affinityOf(declared string) affinity {
	t := strings.ToUpper(declared)
	has := func(s string) bool { return strings.Contains(t, s) }
	switch {
	case has("INT"):
		return asInteger
	case has("CHAR"), has("CLOB"), has("TEXT"):
		return asText
	case has("BLOB"), t == "", t == "ANY":
		return asBlob
	case has("REAL"), has("FLOA"), has("DOUB"):
		return asReal
	}
	return asNumeric
}

func (a affinity) String() string {
	return [...]string{"NUMERIC", "INTEGER", "REAL", "TEXT", "BLOB"}[a]
}

// newMapping finds the codec. Every codec has a written side and a stored side and serves both directions; which one is meant follows
// from the types.
func newMapping(name string, args []argument, from, to affinity) (mapping, string) {
	switch name {
	case "dec":
		return decimalMapping(args, from, to)
	case "int":
		return integerMapping(args, from, to)
	case "real":
		return realMapping(args, from, to)
	case "bool":
		return boolMapping(args, from, to)
	case "enum":
		return enumMapping(args, from, to)
	case "time":
		return timeMapping(args, from, to)
	case "text", "json":
		return textMapping(name, args, from, to)
	case "blob", "hex", "base64", "uuid":
		return blobMapping(name, args, from, to)
	}
	return mapping{}, fmt.Sprintf("codec %q is unknown", name)
}

func integer(n int64) sqlite.Value         { return sqlite.Value{Type: sqlite.Integer, Int: n} }
func real(f float64) sqlite.Value          { return sqlite.Value{Type: sqlite.Float, Float: f} }
func textValue(s string) sqlite.Value      { return sqlite.Value{Type: sqlite.Text, Bytes: []byte(s)} }
func textBytes(b []byte) sqlite.Value      { return sqlite.Value{Type: sqlite.Text, Bytes: b} }
func blobBytes(b []byte) sqlite.Value      { return sqlite.Value{Type: sqlite.Blob, Bytes: b} }
func lost(s string) (sqlite.Value, string) { return sqlite.Value{}, s }

// wrongClass is the reason for a storage class that a codec does not read.
func wrongClass(v sqlite.Value, codec string) (sqlite.Value, string) {
	return lost("a " + v.Type.String() + " is nothing that " + codec + " reads")
}

func unsupported(codec string, from, to affinity) (mapping, string) {
	return mapping{}, fmt.Sprintf("codec %s does not go from %s to %s", codec, from, to)
}

func noArguments(codec string, args []argument) string {
	if len(args) > 0 {
		return "codec " + codec + " takes no arguments"
	}
	return ""
}

// same compares storage class and every byte.
func same(a, b sqlite.Value) bool {
	if a.Type != b.Type {
		return false
	}
	switch a.Type {
	case sqlite.Integer:
		return a.Int == b.Int
	case sqlite.Float:
		return math.Float64bits(a.Float) == math.Float64bits(b.Float)
	case sqlite.Text, sqlite.Blob:
		return bytes.Equal(a.Bytes, b.Bytes)
	}
	return true
}

// verdict is what a row's value is.
type verdict uint8

const (
	exact   verdict = iota // it comes back byte for byte
	spelled                // it comes back as the same value, written otherwise
	filled                 // NULL that became a value
	failed                 // it does not come back: a loss
)

func (v verdict) String() string { return [...]string{"exact", "spelling", "null", "loss"}[v] }

// convert computes one value and proves it by the way back.
func (d *Directive) convert(old sqlite.Value) (out sqlite.Value, v verdict, reason string) {
	if old.Type == sqlite.Null {
		switch {
		case d.null.abort:
			return d.loss, failed, "it is NULL"
		case d.null.value.Type != sqlite.Null:
			return d.null.value, filled, ""
		}
		return old, exact, ""
	}
	if out, reason = d.mapping.there(old); reason != "" {
		return d.loss, failed, reason
	}
	back, reason := d.mapping.back(out)
	if reason != "" {
		return d.loss, failed, "it does not come back: " + reason
	}
	if same(back, old) {
		return out, exact, ""
	}
	again, reason := d.mapping.there(back)
	if reason != "" || !same(again, out) {
		return d.loss, failed, "it comes back as another value"
	}
	return out, spelled, ""
}

// inverse is the directive that goes the other way. Its losses abort: there is nowhere else for them to go.
func (d *Directive) inverse() *Directive {
	return &Directive{Table: d.Table, Column: d.Column, From: d.To, To: d.From, Codec: d.Codec, KeepPosition: true, mapping: d.mapping.inverse()}
}
