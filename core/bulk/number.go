package bulk

import (
	"bytes"
	"math"
	"strconv"
)

// number is a decimal as it is written: sign, digits without zeros at either end, and the power of ten of the last of them.
type number struct {
	neg    bool
	digits []byte // of zero: none
	exp    int
	whole  bool // written without point and exponent
}

// maxExponent bounds what is read as an exponent; no column holds more.
const maxExponent = 9999

// parseNumber reads a decimal: -12, 0.5, .5, 1e-8. Leading zeros and a plus are refused, because they would be lost.
func parseNumber(s []byte) (n number, ok bool) {
	if len(s) > 0 && s[0] == '-' {
		n.neg, s = true, s[1:]
	}
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	whole, rest := s[:i], s[i:]
	if len(whole) > 1 && whole[0] == '0' {
		return n, false
	}
	var fraction []byte
	n.whole = true
	if len(rest) > 0 && rest[0] == '.' {
		n.whole = false
		i = 1
		for i < len(rest) && isDigit(rest[i]) {
			i++
		}
		fraction, rest = rest[1:i], rest[i:]
		if len(fraction) == 0 {
			return n, false
		}
	}
	if len(whole)+len(fraction) == 0 {
		return n, false
	}
	if len(rest) > 0 {
		if n.exp, ok = exponent(rest); !ok {
			return n, false
		}
		n.whole = false
	}
	n.exp -= len(fraction)
	n.digits = bytes.TrimLeft(append(append(make([]byte, 0, len(whole)+len(fraction)), whole...), fraction...), "0")
	for len(n.digits) > 0 && n.digits[len(n.digits)-1] == '0' {
		n.digits = n.digits[:len(n.digits)-1]
		n.exp++
	}
	if len(n.digits) == 0 {
		n.exp = 0
	}
	return n, true
}

// exponent reads e-8 and its like.
func exponent(s []byte) (int, bool) {
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	neg := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	e := 0
	for _, c := range s {
		if !isDigit(c) {
			return 0, false
		}
		if e = e*10 + int(c-'0'); e > maxExponent {
			return 0, false
		}
	}
	if neg {
		e = -e
	}
	return e, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (n number) same(as number) bool {
	return n.exp == as.exp && bytes.Equal(n.digits, as.digits) && (n.neg == as.neg || len(n.digits) == 0)
}

// integer is the number times ten to the power of scale, where that is an integer of 64 bits.
func (n number) integer(scale int) (v int64, why string) {
	exp := n.exp + scale
	switch {
	case len(n.digits) == 0:
		return 0, ""
	case exp < 0 && scale == 0:
		return 0, "it has decimals, and the column takes integers"
	case exp < 0:
		return 0, "it has more than " + strconv.Itoa(scale) + " decimals"
	case len(n.digits)+exp > 19:
		return 0, beyond
	}
	text := make([]byte, 0, 20)
	if n.neg {
		text = append(text, '-')
	}
	text = append(text, n.digits...)
	for range exp {
		text = append(text, '0')
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, beyond
	}
	return v, ""
}

const beyond = "it is beyond an integer of 64 bits"

// parseInteger reads an integer that is written the only way there is.
func parseInteger(s []byte) (int64, string) {
	n, ok := parseNumber(s)
	switch {
	case !ok || n.neg && len(n.digits) == 0 && n.whole:
		return 0, "it is no integer in the plain form: digits, with a minus ahead or not, without leading zeros"
	case !n.whole:
		return 0, "it is written with a point or an exponent, and the column takes integers"
	}
	return n.integer(0)
}

// parseScaled reads a decimal as an integer of units of ten to the power of -scale.
func parseScaled(s []byte, scale int) (int64, string) {
	n, ok := parseNumber(s)
	if !ok {
		return 0, "it is no decimal number"
	}
	return n.integer(scale)
}

// parseReal reads a decimal as a float, where the float comes back as the same decimal.
func parseReal(s []byte) (float64, string) {
	switch string(s) {
	case infinity:
		return math.Inf(1), ""
	case "-" + infinity:
		return math.Inf(-1), ""
	}
	n, ok := parseNumber(s)
	if !ok {
		return 0, "it is no number in the plain form"
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil {
		return 0, "it is beyond the range of a REAL"
	}
	var room [64]byte
	for _, precision := range []int{-1, len(n.digits) - 1} {
		if back, ok := parseNumber(strconv.AppendFloat(room[:0], f, 'e', precision, 64)); ok && back.same(n) {
			return f, ""
		}
		if len(n.digits) == 0 {
			break
		}
	}
	return 0, "it has more digits than a REAL keeps: a column of type TEXT keeps them all"
}

// infinity is how a float beyond all others is written.
const infinity = "Infinity"

// appendReal writes a float so that it comes back, and is not taken for an integer.
func appendReal(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, infinity...)
	case math.IsInf(f, -1):
		return append(b, "-"+infinity...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if bytes.IndexFunc(b[start:], func(r rune) bool { return r == '.' || r == 'e' }) < 0 {
		b = append(b, ".0"...)
	}
	return b
}

// looksNumeric reports whether SQLite takes the text for a number when it is stored in a NUMERIC column.
func looksNumeric(s []byte) bool {
	s = bytes.Trim(s, " \t\n\v\f\r")
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	i, digits := 0, 0
	for i < len(s) && (isDigit(s[i]) || s[i] == '.') {
		if isDigit(s[i]) {
			digits++
		} else if bytes.IndexByte(s[:i], '.') >= 0 {
			return false
		}
		i++
	}
	if digits == 0 {
		return false
	}
	if i == len(s) {
		return true
	}
	if s[i] != 'e' && s[i] != 'E' {
		return false
	}
	s = s[i+1:]
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	return len(s) > 0 && bytes.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
