package engine

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseDecimal reads a number such as -12.50, +3, .5 or 1.5e-3, exactly. The digits behind the point make the scale; zeros at
// the end are dropped only where the number would not fit otherwise.
//
// # Errors
//
// [ErrDecimal] for anything else (white space, separators, infinities), for a number that does not fit, and for digits beyond
// [MaxDecimalScale] that are not zero: nothing is rounded.
func ParseDecimal(s string) (Decimal, error) {
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		var ok bool
		if exponent, ok = parseExponent(s[i+1:]); !ok {
			return Decimal{}, &DecimalError{"parse", DecimalSyntax}
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if len(whole)+len(fraction) == 0 || !digits(whole) || !digits(fraction) {
		return Decimal{}, &DecimalError{"parse", DecimalSyntax}
	}
	return fromDigits(neg, whole+fraction, len(fraction)-exponent)
}

// mostDigits is how many digits 2^63-1 has: what has more fits at no scale.
const mostDigits = 19

// fromDigits is the number of these digits divided by 10^scale.
func fromDigits(neg bool, digits string, scale int) (Decimal, error) {
	digits = strings.TrimLeft(digits, "0")
	for scale > MaxDecimalScale || scale > 0 && len(digits) > mostDigits {
		if digits == "" {
			scale = MaxDecimalScale
			break
		}
		if digits[len(digits)-1] != '0' {
			break
		}
		digits, scale = digits[:len(digits)-1], scale-1
	}
	if digits == "" {
		return Decimal{0, uint8(max(scale, 0))}, nil
	}
	if scale > MaxDecimalScale {
		return Decimal{}, &DecimalError{"parse", DecimalInexact}
	}
	if len(digits)-min(scale, 0) > mostDigits {
		return Decimal{}, &DecimalError{"parse", DecimalOverflow}
	}
	for ; scale < 0; scale++ {
		digits += "0"
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	for err == nil && n > math.MaxInt64 && scale > 0 && n%10 == 0 { // nineteen digits may be too many as well
		n, scale = n/10, scale-1
	}
	if err != nil {
		return Decimal{}, &DecimalError{"parse", DecimalOverflow}
	}
	return wide{0, n}.decimal(neg, uint8(scale), "parse")
}

func digits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}

// parseExponent reads an exponent. One that is absurdly large is cut down to one that is large enough to be refused.
func parseExponent(s string) (int, bool) {
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if s == "" || !digits(s) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		n = min(n*10+int(s[i]-'0'), 1<<30)
	}
	if neg {
		n = -n
	}
	return n, true
}

// String is the number in digits, with all of its scale: "-12.50". [ParseDecimal] gives the same Decimal back.
func (d Decimal) String() string { return string(d.append(nil)) }

func (d Decimal) append(b []byte) []byte {
	if d.coef < 0 {
		b = append(b, '-')
	}
	if d.scale == 0 {
		return strconv.AppendUint(b, d.magnitude(), 10)
	}
	unit := powers[d.scale]
	b = strconv.AppendUint(b, d.magnitude()/unit, 10)
	b = append(b, '.')
	at := len(b)
	b = strconv.AppendUint(b, unit+d.magnitude()%unit, 10) // a one in front keeps the zeros, and gives the point its place
	return append(b[:at], b[at+1:]...)
}

// Format implements [fmt.Formatter]: %v and %s are String, %q is String in quotes, %f rounds half to even to its precision (2.50 as
// %.1f is 2.5), which is for people to read. Width and the flags - + and 0 work as for numbers.
func (d Decimal) Format(f fmt.State, verb rune) {
	text := ""
	precision, wanted := f.Precision()
	switch {
	case verb == 'v' || verb == 's':
		text = d.String()
	case verb == 'q':
		text = strconv.Quote(d.String())
	case verb == 'f' && !wanted:
		text = d.String()
	case verb == 'f':
		text = d.fixed(precision)
	default:
		text = "%!" + string(verb) + "(engine.Decimal=" + d.String() + ")"
	}
	if f.Flag('+') && verb != 'q' && d.coef >= 0 {
		text = "+" + text
	}
	width, _ := f.Width()
	pad := max(0, width-len(text))
	switch {
	case f.Flag('-'):
		text += strings.Repeat(" ", pad)
	case f.Flag('0') && verb != 'q':
		sign := len(text) - len(strings.TrimLeft(text, "+-"))
		text = text[:sign] + strings.Repeat("0", pad) + text[sign:]
	default:
		text = strings.Repeat(" ", pad) + text
	}
	_, _ = f.Write([]byte(text)) // fmt.State reports no errors
}

// fixed is the number with so many digits behind the point.
func (d Decimal) fixed(precision int) string {
	if precision < int(d.scale) {
		rounded, err := d.Rescale(precision, RoundHalfEven)
		if err == nil { // always: fewer digits fit
			d = rounded
		}
		return d.String()
	}
	text := d.String()
	if d.scale == 0 && precision > 0 {
		text += "."
	}
	return text + strings.Repeat("0", precision-int(d.scale))
}

// AppendText implements [encoding.TextAppender]. It never fails.
func (d Decimal) AppendText(b []byte) ([]byte, error) { return d.append(b), nil }

// MarshalText implements [encoding.TextMarshaler]. It never fails.
func (d Decimal) MarshalText() ([]byte, error) { return d.append(nil), nil }

// UnmarshalText is [ParseDecimal].
func (d *Decimal) UnmarshalText(text []byte) error {
	parsed, err := ParseDecimal(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// MarshalJSON writes a string, because most readers of JSON make floats of numbers.
func (d Decimal) MarshalJSON() ([]byte, error) {
	return append(d.append([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads a string or a number, exactly. null changes nothing, as is the custom.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' {
		data = data[1 : n-1]
	}
	return d.UnmarshalText(data)
}

// Scan implements [sql.Scanner], for TEXT. An INTEGER does not say where its point is: see [Scaled]. For NULL use a *Decimal or a
// sql.Null[Decimal].
//
// # Errors
//
// [ErrDecimal].
func (d *Decimal) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	}
	return &DecimalError{"scan", DecimalSource}
}

// Value implements [driver.Valuer]: the number as TEXT. For an INTEGER see [Scaled].
func (d Decimal) Value() (driver.Value, error) { return d.String(), nil }

// ScaledDecimal binds and scans a [Decimal] as an INTEGER. [Scaled] makes it.
type ScaledDecimal struct {
	d     *Decimal
	scale int
}

// Scaled stores and reads d as an INTEGER of so many digits behind the point: 12.50 with a scale of 2 is 1250. It is an argument and a
// destination:
//
//	db.Exec(ctx, "INSERT INTO fill (px) VALUES (?)", engine.Scaled(&px, 8))
//	db.QueryRow(ctx, "SELECT px FROM fill").Scan(engine.Scaled(&px, 8))
//
// A number with more digits is refused as an argument: round it first. A nil d is NULL as an argument.
func Scaled(d *Decimal, scale int) ScaledDecimal { return ScaledDecimal{d, scale} }

// Scan implements [sql.Scanner], for INTEGER.
//
// # Errors
//
// [ErrDecimal].
func (s ScaledDecimal) Scan(src any) error {
	n, ok := src.(int64)
	if !ok || s.d == nil {
		return &DecimalError{"scan", DecimalSource}
	}
	d, err := NewDecimal(n, s.scale)
	if err == nil {
		*s.d = d
	}
	return err
}

// Value implements [driver.Valuer].
//
// # Errors
//
// [ErrDecimal] when the number has more digits behind the point than the scale, or does not fit.
func (s ScaledDecimal) Value() (driver.Value, error) {
	if s.d == nil {
		return nil, nil
	}
	d, err := s.d.Rescale(s.scale, RoundExact)
	if err != nil {
		return nil, err
	}
	return d.coef, nil
}
