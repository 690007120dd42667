// Package money is exact arithmetic on amounts, prices and quantities, which
// are integers at a decimal scale.
//
// A product is taken in 128 bits and rounded once, half away from zero, so that
// taking a fill back gives exactly what it took. SQL cannot do this: in SQLite
// 3e9 * 6.7e9 turns into a float without a word.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// ErrOverflow is returned where a result does not fit 63 bits. The remedy is a
// smaller scale of the currency or a smaller order.
var ErrOverflow = errors.New("amount exceeds 63 bits; lower the currency's scale or split the order")

// MulDiv returns a*b/c, rounded half away from zero.
//
// # Errors
//
// [ErrOverflow], also for c = 0.
func MulDiv(a, b, c int64) (int64, error) {
	hi, lo := bits.Mul64(abs(a), abs(b))
	return divide(hi, lo, abs(c), (a < 0) != (b < 0) != (c < 0))
}

func abs(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// divide rounds a 128-bit number over a 64-bit one.
func divide(hi, lo, by uint64, negative bool) (int64, error) {
	if hi >= by { // also by = 0
		return 0, ErrOverflow
	}
	q, r := bits.Div64(hi, lo, by)
	if r >= by-r && r > 0 {
		q++
	}
	if q > math.MaxInt64 {
		return 0, ErrOverflow
	}
	if negative {
		return -int64(q), nil
	}
	return int64(q), nil
}

// sum adds, and refuses what has no negative as well.
func sum(terms ...int64) (int64, error) {
	total := int64(0)
	for _, n := range terms {
		next := total + n
		if (next > total) != (n > 0) && n != 0 || next == math.MinInt64 {
			return 0, ErrOverflow
		}
		total = next
	}
	return total, nil
}

// Pow10 returns 10^n for 0 <= n <= 18.
func Pow10(n int) (int64, error) {
	if n < 0 || n > 18 {
		return 0, fmt.Errorf("money: 10^%d does not fit: %w", n, ErrOverflow)
	}
	p := int64(1)
	for range n {
		p *= 10
	}
	return p, nil
}

// Contract turns quantity and price into money. It is immutable and safe for
// concurrent use. The zero value has a notional of 0; use [NewContract].
type Contract struct {
	num, den uint64 // money = qty * px * num / den, in lowest terms
}

// NewContract precomputes the factor between qty*px and the settlement
// currency: the contract's multiplier and the three scales.
func NewContract(priceScale, qtyScale, settleScale int, multNum, multDen int64) (Contract, error) {
	if multNum <= 0 || multDen <= 0 {
		return Contract{}, fmt.Errorf("money: multiplier %d/%d is not positive", multNum, multDen)
	}
	num, den := uint64(multNum), uint64(multDen)
	shift := settleScale - priceScale - qtyScale
	p, err := Pow10(max(shift, -shift))
	if err != nil {
		return Contract{}, err
	}
	var hi uint64
	if shift >= 0 {
		hi, num = bits.Mul64(num, uint64(p))
	} else {
		hi, den = bits.Mul64(den, uint64(p))
	}
	if hi != 0 {
		return Contract{}, fmt.Errorf("money: multiplier and scales: %w", ErrOverflow)
	}
	g := gcd(num, den)
	return Contract{num: num / g, den: den / g}, nil
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Notional returns what qty at px is worth in units of the settlement
// currency. The sign is that of qty*px.
//
// # Errors
//
// [ErrOverflow].
func (c Contract) Notional(qty, px int64) (int64, error) {
	if c.den == 0 {
		return 0, nil
	}
	hi, lo := bits.Mul64(abs(qty), abs(px))
	over, top := bits.Mul64(hi, c.num)
	carry, low := bits.Mul64(lo, c.num)
	top, c2 := bits.Add64(top, carry, 0)
	if over != 0 || c2 != 0 {
		return 0, ErrOverflow
	}
	return divide(top, low, c.den, (qty < 0) != (px < 0))
}
