package money

import (
	"fmt"
	"strings"
)

// ParseDecimal reads a decimal number exactly, as units of 10^-scale.
//
// # Errors
//
// A number that has digits beyond the scale, or does not fit, is refused:
// rounding a price on its way in is how books stop agreeing.
func ParseDecimal(s string, scale int) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, fmt.Errorf("money: decimal of %d characters %s at scale %d", len(s), why, scale)
	}
	if scale < 0 || scale > 18 {
		return bad("cannot be read")
	}
	digits, negative := strings.CutPrefix(s, "-")
	whole, frac, dot := strings.Cut(digits, ".")
	if whole == "" || dot && frac == "" {
		return bad("is not a number")
	}
	if len(frac) > scale {
		if strings.Trim(frac[scale:], "0") != "" {
			return bad("has digits that would be lost")
		}
		frac = frac[:scale]
	}
	var n uint64
	for _, r := range whole + frac + strings.Repeat("0", scale-len(frac)) {
		if r < '0' || r > '9' {
			return bad("is not a number")
		}
		d := uint64(r - '0')
		if n > (1<<63-1-d)/10 {
			return bad("does not fit 63 bits")
		}
		n = n*10 + d
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// Format writes units of 10^-scale as a decimal with all its digits.
func Format(n int64, scale int) string {
	sign := ""
	if n < 0 {
		sign = "-"
	}
	s := fmt.Sprintf("%0*d", scale+1, abs(n))
	if scale <= 0 {
		return sign + s
	}
	return sign + s[:len(s)-scale] + "." + s[len(s)-scale:]
}
