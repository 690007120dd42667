package convert

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/tidegate/engine/core/sqlite"
)

// maxScale is the most digits behind the point that 63 bits can have.
const maxScale = 18

// decimalMapping reads decimals and stores integers of 10^-n: dec(6) makes 1500000 of '1.5'. A second argument says how many digits the
// written form shows at least: dec(6,2) writes '1.50'.
func decimalMapping(args []argument, from, to affinity) (mapping, string) {
	if len(args) < 1 || len(args) > 2 {
		return mapping{}, "codec dec takes the digits behind the point, as in dec(6), and how many of them are always written, as in dec(6,2)"
	}
	var n [2]int
	for i, a := range args {
		v, err := strconv.Atoi(a.text)
		if err != nil || v < 0 || v > maxScale || i == 1 && v > n[0] {
			return mapping{}, fmt.Sprintf("the digits of dec must be 0 to %d, and the second number not above the first", maxScale)
		}
		n[i] = v
	}
	d := decimals{scale: n[0], shown: n[1]}
	switch {
	case to == asInteger && from != asInteger:
		d.written = from
		return mapping{d.store, d.write}, ""
	case from == asInteger && to != asInteger && to != asBlob:
		d.written = to
		return mapping{d.write, d.store}, ""
	}
	return unsupported("dec", from, to)
}

type decimals struct {
	scale, shown int
	written      affinity
}

// store reads what is written.
func (d decimals) store(v sqlite.Value) (sqlite.Value, string) {
	var buf [64]byte
	text := v.Bytes
	switch v.Type {
	case sqlite.Integer:
		text = strconv.AppendInt(buf[:0], v.Int, 10)
	case sqlite.Float:
		text = strconv.AppendFloat(buf[:0], v.Float, 'f', -1, 64)
	case sqlite.Text:
	default:
		return wrongClass(v, "dec")
	}
	n, reason := parseScaled(text, d.scale)
	return integer(n), reason
}

// write shows an integer as a decimal again.
func (d decimals) write(v sqlite.Value) (sqlite.Value, string) {
	if v.Type != sqlite.Integer {
		return wrongClass(v, "dec")
	}
	text := appendScaled(make([]byte, 0, 24), v.Int, d.scale, d.shown)
	whole := bytes.IndexByte(text, '.') < 0
	switch {
	case d.written == asText || d.written == asBlob:
		return textBytes(text), ""
	case d.written == asNumeric && whole:
		return integer(parseInt(text)), ""
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !equalDecimals(text, appendReal(nil, f)) {
		return lost("a REAL cannot hold all of its digits") // two integers would become one
	}
	return real(f), ""
}

// parseInt reads digits that appendScaled has written.
func parseInt(text []byte) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64) // it was an int64 a moment ago, divided by a power of ten
	return n
}

const (
	noDecimal  = "it is no decimal number"
	noInteger  = "it is no integer"
	tooManyFit = "it has more digits behind the point than the column will hold"
	tooLarge   = "it does not fit 64 bits"
)

// parseScaled reads a decimal exactly: an optional sign, digits, and at most one point. Anything else, blanks and exponents included, is
// no decimal.
func parseScaled(s []byte, scale int) (int64, string) {
	i, negative := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		i, negative = 1, s[0] == '-'
	}
	var n uint64
	digits, behind, point := 0, 0, false
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return 0, noDecimal
		}
		digits++
		if point && behind == scale {
			if c != '0' {
				if !decimalTail(s[i:]) {
					return 0, noDecimal
				}
				return 0, tooManyFit
			}
			continue
		}
		if point {
			behind++
		}
		if n > (math.MaxUint64-9)/10 {
			return 0, tooLarge
		}
		n = n*10 + uint64(c-'0')
	}
	if digits == 0 {
		return 0, noDecimal
	}
	for ; behind < scale; behind++ {
		if n > math.MaxUint64/10 {
			return 0, tooLarge
		}
		n *= 10
	}
	return signed(n, negative)
}

// decimalTail reports whether only digits are left, so that the reason names the right mistake.
func decimalTail(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func signed(n uint64, negative bool) (int64, string) {
	switch {
	case !negative && n <= math.MaxInt64:
		return int64(n), ""
	case negative && n <= math.MaxInt64:
		return -int64(n), ""
	case negative && n == 1<<63:
		return math.MinInt64, ""
	}
	return 0, tooLarge
}

// appendScaled writes n / 10^scale with as few digits behind the point as it needs, but at least shown.
func appendScaled(b []byte, n int64, scale, shown int) []byte {
	u := uint64(n)
	if n < 0 {
		b = append(b, '-')
		u = -u
	}
	var buf [24]byte
	digits := strconv.AppendUint(buf[:0], u, 10)
	for len(digits) <= scale {
		digits = append(append(buf[len(buf):], '0'), digits...)
	}
	whole, behind := digits[:len(digits)-scale], digits[len(digits)-scale:]
	for len(behind) > shown && behind[len(behind)-1] == '0' {
		behind = behind[:len(behind)-1]
	}
	b = append(b, whole...)
	if len(behind) > 0 {
		b = append(append(b, '.'), behind...)
	}
	return b
}

// integerMapping makes integers of what is an integer and of nothing else.
func integerMapping(args []argument, from, to affinity) (mapping, string) {
	if reason := noArguments("int", args); reason != "" {
		return mapping{}, reason
	}
	switch {
	case to == asInteger:
		return mapping{storeInteger, writeInteger(from)}, ""
	case from == asInteger && to != asBlob:
		return mapping{writeInteger(to), storeInteger}, ""
	}
	return unsupported("int", from, to)
}

func storeInteger(v sqlite.Value) (sqlite.Value, string) {
	switch v.Type {
	case sqlite.Integer:
		return v, ""
	case sqlite.Float:
		return wholeNumber(v.Float)
	case sqlite.Text:
		n, reason := parseScaled(v.Bytes, 0)
		if reason != "" || bytes.IndexByte(v.Bytes, '.') >= 0 {
			if reason != tooLarge {
				reason = noInteger
			}
			return lost(reason)
		}
		return integer(n), ""
	}
	return wrongClass(v, "int")
}

// wholeNumber takes a REAL that is an integer. 2^63 itself is none of 64 bits.
func wholeNumber(f float64) (sqlite.Value, string) {
	if f != math.Trunc(f) || math.IsInf(f, 0) {
		return lost(noInteger)
	}
	if f < -(1<<63) || f >= 1<<63 {
		return lost(tooLarge)
	}
	return integer(int64(f)), ""
}

func writeInteger(to affinity) function {
	return func(v sqlite.Value) (sqlite.Value, string) {
		switch {
		case v.Type != sqlite.Integer:
			return wrongClass(v, "int")
		case to == asText:
			return textBytes(strconv.AppendInt(nil, v.Int, 10)), ""
		case to == asReal:
			return exactReal(v.Int)
		}
		return v, ""
	}
}

// exactReal makes a REAL of an integer that it can hold.
func exactReal(n int64) (sqlite.Value, string) {
	f := float64(n)
	if f >= 1<<63 || int64(f) != n {
		return lost("a REAL cannot hold the integer exactly")
	}
	return real(f), ""
}

// realMapping makes REAL numbers. A text is one when the shortest way to write the REAL is the same decimal number.
func realMapping(args []argument, from, to affinity) (mapping, string) {
	if reason := noArguments("real", args); reason != "" {
		return mapping{}, reason
	}
	switch {
	case to == asReal:
		return mapping{storeReal, writeReal(from)}, ""
	case from == asReal && to != asBlob:
		return mapping{writeReal(to), storeReal}, ""
	}
	return unsupported("real", from, to)
}

func storeReal(v sqlite.Value) (sqlite.Value, string) {
	switch v.Type {
	case sqlite.Float:
		return v, ""
	case sqlite.Integer:
		return exactReal(v.Int)
	case sqlite.Text:
		f, ok := parseReal(v.Bytes)
		if !ok {
			return lost("it is no number")
		}
		if !equalDecimals(v.Bytes, appendReal(nil, f)) {
			return lost("a REAL cannot hold all of its digits")
		}
		return real(f), ""
	}
	return wrongClass(v, "real")
}

func writeReal(to affinity) function {
	return func(v sqlite.Value) (sqlite.Value, string) {
		switch {
		case v.Type != sqlite.Float:
			return wrongClass(v, "real")
		case to == asText:
			return textBytes(appendReal(nil, v.Float)), ""
		case to == asInteger:
			return wholeNumber(v.Float)
		case to == asNumeric && v.Float == math.Trunc(v.Float) && math.Abs(v.Float) < 1<<53:
			return integer(int64(v.Float)), "" // what NUMERIC makes of it
		}
		return v, ""
	}
}

// appendReal writes a REAL as short as it can be read back.
func appendReal(b []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-5 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// parseReal reads a decimal number with an optional exponent, and neither infinities nor the other notations of Go.
func parseReal(s []byte) (float64, bool) {
	if _, _, ok := significand(s); !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(s), 64)
	return f, err == nil
}

// equalDecimals compares two decimal numbers digit by digit.
func equalDecimals(a, b []byte) bool {
	da, ea, oka := significand(a)
	db, eb, okb := significand(b)
	return oka && okb && string(da) == string(db) && (ea == eb || len(da) == 0) &&
		(len(da) == 0 || (a[0] == '-') == (b[0] == '-'))
}

// significand splits a number into digits without zeros at either end and the exponent of ten of the last one.
func significand(s []byte) (digits []byte, exponent int, ok bool) {
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	mantissa := s
	if i := bytes.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		e := s[i+1:]
		unsigned := bytes.TrimLeft(e, "+-")
		if len(unsigned) == 0 || len(e)-len(unsigned) > 1 || len(unsigned) > 6 || !decimalTail(unsigned) {
			return nil, 0, false
		}
		exponent, _ = strconv.Atoi(string(e)) // digits only, and few of them
	}
	point := bytes.IndexByte(mantissa, '.')
	if point >= 0 {
		digits = append(append(digits, mantissa[:point]...), mantissa[point+1:]...)
		exponent -= len(mantissa) - point - 1
	} else {
		digits = append(digits, mantissa...)
	}
	if len(digits) == 0 || !decimalTail(digits) {
		return nil, 0, false
	}
	digits = bytes.TrimLeft(digits, "0")
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exponent++
	}
	return digits, exponent, true
}
