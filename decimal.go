package engine

import (
	"math"
	"math/bits"
)

// MaxDecimalScale is the largest number of digits behind the point of a [Decimal].
const MaxDecimalScale = 18

// Decimal is a number with a fixed count of digits behind the point, for money, prices and quantities: an integer coefficient,
// from -(2^63-1) to 2^63-1, divided by 10^scale. Arithmetic is exact, or rounds as it is told to; no float is ever involved, and
// what does not fit is an error. The zero value is 0.
//
// The scale is a part of the value and is kept: 1.50 prints as 1.50, and is equal to 1.5 by [Decimal.Cmp] but not by ==
// (see [Decimal.Trim]). A Decimal is a plain value: copying it is cheap, and any number of goroutines may read it.
//
// # In the database
//
// As an argument a Decimal is stored as TEXT, which keeps every digit, and it is read from TEXT. SQL compares and sorts
// text as text: where SQL must sum, compare or index the number, store it as an INTEGER of a scale of your choice with
// [Scaled]. It is never read from REAL, which has lost digits already.
type Decimal struct {
	coef  int64
	scale uint8
}

// Rounding says what becomes of digits that do not fit. The zero value is RoundExact.
type Rounding uint8

const (
	// RoundExact refuses to lose a digit that is not zero.
	RoundExact Rounding = iota
	// RoundHalfEven rounds to the nearest, a half to the even neighbour: the bankers' way, without bias in sums.
	RoundHalfEven
	// RoundHalfUp rounds to the nearest, a half away from zero: the way of invoices.
	RoundHalfUp
	// RoundDown cuts digits off, towards zero.
	RoundDown
	// RoundUp rounds away from zero.
	RoundUp
	// RoundFloor rounds towards negative infinity.
	RoundFloor
	// RoundCeiling rounds towards positive infinity.
	RoundCeiling
)

// DecimalReason is what went wrong with a [Decimal].
type DecimalReason string

const (
	// DecimalOverflow: the coefficient would pass 2^63-1. Use a smaller scale.
	DecimalOverflow DecimalReason = "overflow: the coefficient does not fit 63 bits, use a smaller scale"
	// DecimalInexact: a digit would be lost and RoundExact was asked for, or nothing was.
	DecimalInexact DecimalReason = "inexact: a digit would be lost, choose a larger scale or a rounding"
	// DecimalByZero: division by zero.
	DecimalByZero DecimalReason = "division by zero"
	// DecimalScale: the scale is not within 0 and MaxDecimalScale.
	DecimalScale DecimalReason = "the scale must be 0 to 18"
	// DecimalSyntax: the text is no decimal number.
	DecimalSyntax DecimalReason = "not a decimal number"
	// DecimalRounding: there is no such Rounding.
	DecimalRounding DecimalReason = "no such rounding: use one of the constants"
	// DecimalSource: the value comes from a type that does not say which decimal it is.
	DecimalSource DecimalReason = "only TEXT says by itself which decimal it is: read an INTEGER with Scaled and its scale, NULL into a pointer; REAL has lost digits"
)

// DecimalError says what went wrong in which operation. It never shows the numbers. It matches [ErrDecimal].
type DecimalError struct {
	// Op is the operation: add, sub, mul, div, rescale, new, parse, scan.
	Op string
	// Reason is one of the constants.
	Reason DecimalReason
}

// Error says what happened and what to do.
func (e *DecimalError) Error() string { return "engine: decimal: " + e.Op + ": " + string(e.Reason) }

// Is matches ErrDecimal.
func (e *DecimalError) Is(target error) bool { return target == ErrDecimal }

// ErrorType is the value of the error.type attribute in spans.
func (e *DecimalError) ErrorType() string { return "decimal" }

// NewDecimal is coef / 10^scale.
//
// # Errors
//
// [ErrDecimal] for a scale that is not within 0 and [MaxDecimalScale], and for the coefficient -2^63, whose negation would not fit.
func NewDecimal(coef int64, scale int) (Decimal, error) {
	switch {
	case scale < 0 || scale > MaxDecimalScale:
		return Decimal{}, &DecimalError{"new", DecimalScale}
	case coef == math.MinInt64:
		return Decimal{}, &DecimalError{"new", DecimalOverflow}
	}
	return Decimal{coef, uint8(scale)}, nil
}

// Coefficient is the integer that, divided by 10^Scale, is the number.
func (d Decimal) Coefficient() int64 { return d.coef }

// Scale is the count of digits behind the point.
func (d Decimal) Scale() int { return int(d.scale) }

// Sign is -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.coef < 0:
		return -1
	case d.coef > 0:
		return 1
	}
	return 0
}

// IsZero reports whether d is 0, of whatever scale.
func (d Decimal) IsZero() bool { return d.coef == 0 }

// Neg is -d.
func (d Decimal) Neg() Decimal { return Decimal{-d.coef, d.scale} }

// Abs is d without its sign.
func (d Decimal) Abs() Decimal { return Decimal{int64(d.magnitude()), d.scale} }

// Trim is d without zeros at the end behind the point. Equal numbers are the same when trimmed, so that == and map keys work.
func (d Decimal) Trim() Decimal {
	for d.scale > 0 && d.coef%10 == 0 {
		d.coef /= 10
		d.scale--
	}
	return d
}

// Cmp is -1, 0 or 1: d is less than, equal to or greater than o, whatever their scales.
func (d Decimal) Cmp(o Decimal) int {
	if s, t := d.Sign(), o.Sign(); s != t {
		return compare(s, t)
	}
	scale := max(d.scale, o.scale)
	return d.Sign() * d.at(scale).cmp(o.at(scale))
}

// Equal reports whether d and o are the same number, whatever their scales.
func (d Decimal) Equal(o Decimal) bool { return d.Cmp(o) == 0 }

// Add is d + o, exactly, with the larger scale of the two.
//
// # Errors
//
// [ErrDecimal] when the sum does not fit.
func (d Decimal) Add(o Decimal) (Decimal, error) { return d.add(o, "add") }

// Sub is d - o, exactly, with the larger scale of the two.
//
// # Errors
//
// [ErrDecimal] when the difference does not fit.
func (d Decimal) Sub(o Decimal) (Decimal, error) { return d.add(o.Neg(), "sub") }

func (d Decimal) add(o Decimal, op string) (Decimal, error) {
	scale := max(d.scale, o.scale)
	a, b := d.at(scale), o.at(scale)
	switch neg := d.coef < 0; {
	case neg == (o.coef < 0):
		return a.plus(b).decimal(neg, scale, op)
	case a.cmp(b) >= 0:
		return a.minus(b).decimal(neg, scale, op)
	default:
		return b.minus(a).decimal(!neg, scale, op)
	}
}

// Mul is d × o with the scale that is asked for. The product is formed with all its digits and rounded once.
//
// # Errors
//
// [ErrDecimal] when it does not fit, or loses a digit under [RoundExact].
func (d Decimal) Mul(o Decimal, scale int, r Rounding) (Decimal, error) {
	hi, lo := bits.Mul64(d.magnitude(), o.magnitude())
	return wide{hi, lo}.rescale(d.coef < 0 != (o.coef < 0), int(d.scale)+int(o.scale), scale, r, "mul")
}

// Div is d / o with the scale that is asked for, rounded once.
//
// # Errors
//
// [ErrDecimal] when o is 0, the quotient does not fit, or loses a digit under [RoundExact].
func (d Decimal) Div(o Decimal, scale int, r Rounding) (Decimal, error) {
	if err := checkRounding("div", scale, r); err != nil {
		return Decimal{}, err
	}
	if o.coef == 0 {
		return Decimal{}, &DecimalError{"div", DecimalByZero}
	}
	num, den := wide{0, d.magnitude()}, wide{0, o.magnitude()}
	fits := true
	if up := scale + int(o.scale) - int(d.scale); up >= 0 {
		num, fits = num.shift(up)
	} else {
		den, fits = den.shift(-up) // at most 10^18 × 2^63: it fits
	}
	if !fits { // the quotient of 2^128 or more and less than 2^63 does not fit either
		return Decimal{}, &DecimalError{"div", DecimalOverflow}
	}
	q, rem := wide{}, num
	if den.hi == 0 {
		var r uint64
		q, r = num.divide(den.lo)
		rem = wide{0, r}
	} // else the divisor was shifted, so the dividend was not and is less
	return q.round(d.coef < 0 != (o.coef < 0), rem, den, uint8(scale), r, "div")
}

// Rescale is d with another count of digits behind the point.
//
// # Errors
//
// [ErrDecimal] when it does not fit, or loses a digit under [RoundExact].
func (d Decimal) Rescale(scale int, r Rounding) (Decimal, error) {
	return wide{0, d.magnitude()}.rescale(d.coef < 0, int(d.scale), scale, r, "rescale")
}

func (d Decimal) magnitude() uint64 {
	if d.coef < 0 {
		return uint64(-d.coef)
	}
	return uint64(d.coef)
}

// at is the magnitude of the coefficient at a scale that is not smaller: at most 2^63 × 10^18, which fits.
func (d Decimal) at(scale uint8) wide {
	hi, lo := bits.Mul64(d.magnitude(), powers[scale-d.scale])
	return wide{hi, lo}
}

func checkRounding(op string, scale int, r Rounding) error {
	switch {
	case scale < 0 || scale > MaxDecimalScale:
		return &DecimalError{op, DecimalScale}
	case r > RoundCeiling:
		return &DecimalError{op, DecimalRounding}
	}
	return nil
}

// powers are the powers of ten that fit 64 bits.
var powers = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// wide is an unsigned integer of 128 bits, for what stands between two coefficients and their result.
type wide struct{ hi, lo uint64 }

func compare[T int | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (w wide) cmp(o wide) int {
	if w.hi != o.hi {
		return compare(w.hi, o.hi)
	}
	return compare(w.lo, o.lo)
}

func (w wide) plus(o wide) wide {
	lo, carry := bits.Add64(w.lo, o.lo, 0)
	return wide{w.hi + o.hi + carry, lo}
}

func (w wide) minus(o wide) wide {
	lo, borrow := bits.Sub64(w.lo, o.lo, 0)
	return wide{w.hi - o.hi - borrow, lo}
}

// shift multiplies by 10^n; false when that does not fit.
func (w wide) shift(n int) (wide, bool) {
	for n > 0 {
		step := min(n, len(powers)-1)
		over, hi := bits.Mul64(w.hi, powers[step])
		up, lo := bits.Mul64(w.lo, powers[step])
		var carry uint64
		hi, carry = bits.Add64(hi, up, 0)
		if over != 0 || carry != 0 {
			return wide{}, false
		}
		w, n = wide{hi, lo}, n-step
	}
	return w, true
}

// divide gives quotient and remainder.
func (w wide) divide(by uint64) (wide, uint64) {
	hi, rem := w.hi/by, w.hi%by
	lo, rem := bits.Div64(rem, w.lo, by)
	return wide{hi, lo}, rem
}

// rescale makes a number of one scale, which may be as large as that of a product, one of another.
func (w wide) rescale(neg bool, from, to int, r Rounding, op string) (Decimal, error) {
	if err := checkRounding(op, to, r); err != nil {
		return Decimal{}, err
	}
	if from <= to {
		up, fits := w.shift(to - from)
		if !fits {
			return Decimal{}, &DecimalError{op, DecimalOverflow}
		}
		return up.decimal(neg, uint8(to), op)
	}
	// By 10^36 at most, in two steps: what the first leaves over is the lower part of the whole remainder.
	first := min(from-to, MaxDecimalScale)
	second := from - to - first
	q, low := w.divide(powers[first])
	q, high := q.divide(powers[second])
	hi, lo := bits.Mul64(high, powers[first])
	rem := wide{hi, lo}.plus(wide{0, low})
	hi, lo = bits.Mul64(powers[first], powers[second])
	return q.round(neg, rem, wide{hi, lo}, uint8(to), r, op)
}

// round decides by what a division left over whether the quotient grows by one. den is less than 2^127.
func (w wide) round(neg bool, rem, den wide, scale uint8, r Rounding, op string) (Decimal, error) {
	if rem == (wide{}) {
		return w.decimal(neg, scale, op)
	}
	half := rem.plus(rem).cmp(den)
	up := false
	switch r {
	case RoundExact:
		if _, err := w.decimal(neg, scale, op); err != nil {
			return Decimal{}, err // no rounding would help
		}
		return Decimal{}, &DecimalError{op, DecimalInexact}
	case RoundHalfEven:
		up = half > 0 || half == 0 && w.lo&1 == 1
	case RoundHalfUp:
		up = half >= 0
	case RoundUp:
		up = true
	case RoundFloor:
		up = neg
	case RoundCeiling:
		up = !neg
	}
	if up {
		w = w.plus(wide{0, 1})
	}
	return w.decimal(neg, scale, op)
}

func (w wide) decimal(neg bool, scale uint8, op string) (Decimal, error) {
	if w.hi != 0 || w.lo > math.MaxInt64 {
		return Decimal{}, &DecimalError{op, DecimalOverflow}
	}
	if neg {
		return Decimal{-int64(w.lo), scale}, nil
	}
	return Decimal{int64(w.lo), scale}, nil
}
