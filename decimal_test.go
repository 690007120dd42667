package engine_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/tidegate/engine"
)

// decimalEdges are coefficients at which arithmetic on 64 and 128 bits goes wrong first.
func decimalEdges() []int64 {
	return []int64{0, 1, -1, 2, 5, -5, 9, 10, -10, 15, 25, 49, 50, 51, 99, 100, -125, 999_999_999, 1_000_000_007, 1<<31 - 1, 1 << 32, -(1 << 32),
		1<<53 + 1, 4_611_686_018_427_387_904, 999_999_999_999_999_999, 1_000_000_000_000_000_000, -1_000_000_000_000_000_001,
		math.MaxInt64 - 1, math.MaxInt64, -math.MaxInt64, math.MaxInt64 / 2, math.MaxInt64/2 + 1}
}

func coefficient(t testing.TB, coef int64, scale int) engine.Decimal {
	t.Helper()
	d, err := engine.NewDecimal(coef, scale)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func number(t testing.TB, s string) engine.Decimal {
	t.Helper()
	d, err := engine.ParseDecimal(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return d
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// rat is the number as math/big sees it.
func rat(d engine.Decimal) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(d.Coefficient()), tenTo(d.Scale()))
}

// decimalOracle rounds an exact result to a scale with math/big alone. reason is why there is no Decimal for it.
func decimalOracle(exact *big.Rat, scale int, r engine.Rounding) (coef int64, reason engine.DecimalReason) {
	shifted := new(big.Rat).Mul(exact, new(big.Rat).SetInt(tenTo(scale)))
	q, rem := new(big.Int).QuoRem(shifted.Num(), shifted.Denom(), new(big.Int))
	tooLarge := func() bool { return !q.IsInt64() || q.Int64() == math.MinInt64 }
	if rem.Sign() != 0 && !tooLarge() {
		half := new(big.Int).Abs(rem)
		order := half.Lsh(half, 1).Cmp(shifted.Denom())
		away := false
		switch r {
		case engine.RoundExact:
			return 0, engine.DecimalInexact
		case engine.RoundHalfEven:
			away = order > 0 || order == 0 && q.Bit(0) == 1
		case engine.RoundHalfUp:
			away = order >= 0
		case engine.RoundUp:
			away = true
		case engine.RoundFloor:
			away = rem.Sign() < 0
		case engine.RoundCeiling:
			away = rem.Sign() > 0
		}
		if away {
			q.Add(q, big.NewInt(int64(rem.Sign())))
		}
	}
	if tooLarge() {
		return 0, engine.DecimalOverflow
	}
	return q.Int64(), ""
}

// wantOracle compares a result with what the oracle says.
func wantOracle(t testing.TB, what string, got engine.Decimal, err error, exact *big.Rat, scale int, r engine.Rounding) {
	t.Helper()
	coef, reason := decimalOracle(exact, scale, r)
	var typed *engine.DecimalError
	switch {
	case reason != "" && !(errors.As(err, &typed) && typed.Reason == reason && errors.Is(err, engine.ErrDecimal)):
		t.Errorf("%s: got %v, %v, want an error: %s", what, got, err, reason)
	case reason == "" && (err != nil || got.Coefficient() != coef || got.Scale() != scale):
		t.Errorf("%s: got %d of scale %d, %v, want %d of scale %d", what, got.Coefficient(), got.Scale(), err, coef, scale)
	}
}

// decimalArithmetic checks every operation on a and b.
func decimalArithmetic(t testing.TB, a, b engine.Decimal, scale int, r engine.Rounding) {
	t.Helper()
	x, y, wide := rat(a), rat(b), max(a.Scale(), b.Scale())
	name := a.String() + " and " + b.String()
	sum, err := a.Add(b)
	wantOracle(t, "sum of "+name, sum, err, new(big.Rat).Add(x, y), wide, engine.RoundExact)
	diff, err := a.Sub(b)
	wantOracle(t, "difference of "+name, diff, err, new(big.Rat).Sub(x, y), wide, engine.RoundExact)
	product, err := a.Mul(b, scale, r)
	wantOracle(t, "product of "+name, product, err, new(big.Rat).Mul(x, y), scale, r)
	if !b.IsZero() {
		quotient, err := a.Div(b, scale, r)
		wantOracle(t, "quotient of "+name, quotient, err, new(big.Rat).Quo(x, y), scale, r)
	}
	rescaled, err := a.Rescale(scale, r)
	wantOracle(t, "rescaled "+a.String(), rescaled, err, x, scale, r)
	if got, want := a.Cmp(b), x.Cmp(y); got != want || a.Equal(b) != (want == 0) {
		t.Errorf("Cmp of %s: %d, want %d", name, got, want)
	}
	if rat(a.Neg()).Cmp(new(big.Rat).Neg(x)) != 0 || rat(a.Abs()).Cmp(new(big.Rat).Abs(x)) != 0 || a.Sign() != x.Sign() || a.IsZero() != (x.Sign() == 0) {
		t.Errorf("%v: Neg %v, Abs %v, Sign %d", a, a.Neg(), a.Abs(), a.Sign())
	}
	trimmed := a.Trim()
	if rat(trimmed).Cmp(x) != 0 || trimmed.Scale() > 0 && trimmed.Coefficient()%10 == 0 {
		t.Errorf("%v trimmed is %v", a, trimmed)
	}
}

func decimalRoundings() []engine.Rounding {
	return []engine.Rounding{engine.RoundExact, engine.RoundHalfEven, engine.RoundHalfUp, engine.RoundDown, engine.RoundUp, engine.RoundFloor, engine.RoundCeiling}
}

// TestDecimalArithmetic holds every operation against math/big, at the edges and at random.
func TestDecimalArithmetic(t *testing.T) {
	t.Parallel()
	scales := []int{0, 1, 2, 9, 17, 18}
	for _, x := range decimalEdges() {
		for _, y := range decimalEdges() {
			for i, scale := range scales {
				a, b := coefficient(t, x, scale), coefficient(t, y, scales[(i*5+int(x&3))%len(scales)])
				for _, r := range decimalRoundings() {
					decimalArithmetic(t, a, b, scales[(i+int(y&7))%len(scales)], r)
				}
			}
			if t.Failed() {
				return
			}
		}
	}
	// The dividend passes 2^128 by so little that only the last addition of its two halves shows it.
	decimalArithmetic(t, coefficient(t, 341, 0), coefficient(t, math.MaxInt64, 18), 18, engine.RoundDown)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		a := coefficient(t, rnd.Int64()>>rnd.IntN(63)*int64(1-2*rnd.IntN(2)), rnd.IntN(19))
		b := coefficient(t, rnd.Int64()>>rnd.IntN(63)*int64(1-2*rnd.IntN(2)), rnd.IntN(19))
		decimalArithmetic(t, a, b, rnd.IntN(19), engine.Rounding(rnd.IntN(7)))
		if t.Failed() {
			return
		}
	}
}

// TestDecimalRounding is the table that one reads to know what a rounding does.
func TestDecimalRounding(t *testing.T) {
	t.Parallel()
	in := []string{"2.5", "1.5", "1.2", "-1.2", "-1.5", "-2.5"}
	for r, want := range map[engine.Rounding][]string{
		engine.RoundHalfEven: {"2", "2", "1", "-1", "-2", "-2"},
		engine.RoundHalfUp:   {"3", "2", "1", "-1", "-2", "-3"},
		engine.RoundDown:     {"2", "1", "1", "-1", "-1", "-2"},
		engine.RoundUp:       {"3", "2", "2", "-2", "-2", "-3"},
		engine.RoundFloor:    {"2", "1", "1", "-2", "-2", "-3"},
		engine.RoundCeiling:  {"3", "2", "2", "-1", "-1", "-2"},
	} {
		for i := range in {
			if got, err := number(t, in[i]).Rescale(0, r); err != nil || got.String() != want[i] {
				t.Errorf("%s rounded by %d: %v %v, want %s", in[i], r, got, err, want[i])
			}
		}
	}
}

func TestDecimalErrors(t *testing.T) {
	t.Parallel()
	ten := coefficient(t, 10, 0)
	_, byZero := ten.Div(engine.Decimal{}, 2, engine.RoundDown)
	_, scaleLow := engine.NewDecimal(1, -1)
	_, scaleHigh := engine.NewDecimal(1, 19)
	_, smallest := engine.NewDecimal(math.MinInt64, 0)
	_, mulScale := ten.Mul(ten, 19, engine.RoundDown)
	_, divScale := ten.Div(ten, -1, engine.RoundDown)
	_, rounding := ten.Rescale(2, engine.RoundCeiling+1)
	_, roundingDiv := ten.Div(ten, 2, engine.RoundCeiling+1)
	for name, c := range map[string]struct {
		err  error
		want engine.DecimalReason
	}{
		"by zero": {byZero, engine.DecimalByZero}, "scale below": {scaleLow, engine.DecimalScale}, "scale above": {scaleHigh, engine.DecimalScale},
		"-2^63": {smallest, engine.DecimalOverflow}, "scale of a product": {mulScale, engine.DecimalScale}, "scale of a quotient": {divScale, engine.DecimalScale},
		"rounding": {rounding, engine.DecimalRounding}, "rounding of a quotient": {roundingDiv, engine.DecimalRounding},
	} {
		var typed *engine.DecimalError
		if !errors.As(c.err, &typed) || typed.Reason != c.want {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
			continue
		}
		wantOnly(t, c.err, engine.ErrDecimal)
	}
}

func TestDecimalZeroValue(t *testing.T) {
	t.Parallel()
	var zero engine.Decimal
	if zero.String() != "0" || !zero.IsZero() || !zero.Equal(number(t, "0.000")) {
		t.Errorf("the zero value is %v", zero)
	}
	sum, err := zero.Add(number(t, "1.25"))
	if err != nil || sum != number(t, "1.25") {
		t.Errorf("0 + 1.25 = %v %v", sum, err)
	}
	if number(t, "1.5") == number(t, "1.50") || number(t, "1.5") != number(t, "1.50").Trim() || number(t, "0.00").Trim() != zero {
		t.Error("== does not look at the scale, or Trim does not make it a matter of the number alone")
	}
}

// FuzzDecimalArithmetic holds two arbitrary numbers against math/big.
func FuzzDecimalArithmetic(f *testing.F) {
	f.Add(int64(math.MaxInt64), uint8(18), int64(-3), uint8(0), uint8(18), uint8(1))
	f.Add(int64(-125), uint8(2), int64(1), uint8(18), uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, x int64, xs uint8, y int64, ys, scale, rounding uint8) {
		x, y = max(x, -math.MaxInt64), max(y, -math.MaxInt64)
		decimalArithmetic(t, coefficient(t, x, int(xs%19)), coefficient(t, y, int(ys%19)), int(scale%19), engine.Rounding(rounding%7))
	})
}

func BenchmarkDecimal(b *testing.B) {
	price, qty := number(b, "181.25000000"), number(b, "0.12345678")
	b.Run("mul", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := price.Mul(qty, 8, engine.RoundHalfEven); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := price.Add(qty); err != nil {
				b.Fatal(err)
			}
		}
	})
}
