package money_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/tidegate/engine/internal/desk/money"
)

// bigRound is a*b/c rounded half away from zero, the slow and plain way.
func bigRound(num, den *big.Int) *big.Int {
	neg := num.Sign()*den.Sign() < 0
	n, d := new(big.Int).Abs(num), new(big.Int).Abs(den)
	n.Mul(n, big.NewInt(2)).Add(n, d).Div(n, d.Mul(d, big.NewInt(2)))
	if neg {
		n.Neg(n)
	}
	return n
}

func anyInt(r *rand.Rand) int64 {
	n := r.Int64() >> r.IntN(63)
	if r.IntN(2) == 0 {
		return -n
	}
	return n
}

func TestMulDivAgainstBig(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	edges := []int64{0, 1, -1, 2, 3, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	pick := func() int64 {
		if r.IntN(4) == 0 {
			return edges[r.IntN(len(edges))]
		}
		return anyInt(r)
	}
	fits, overflows := 0, 0
	for range 200_000 {
		a, b, c := pick(), pick(), pick()
		got, err := money.MulDiv(a, b, c)
		if c == 0 {
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("%d*%d/0: %v", a, b, err)
			}
			continue
		}
		want := bigRound(new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), big.NewInt(c))
		if !want.IsInt64() || want.Int64() == math.MinInt64 {
			overflows++
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("%d*%d/%d = %v fits no int64, got %d, %v", a, b, c, want, got, err)
			}
			continue
		}
		fits++
		if err != nil || got != want.Int64() {
			t.Fatalf("%d*%d/%d = %v, got %d, %v", a, b, c, want, got, err)
		}
	}
	if fits < 1000 || overflows < 1000 {
		t.Errorf("one-sided test: %d fit, %d overflow", fits, overflows)
	}
}

func TestNotionalAgainstBig(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		ps, qs, ss := r.IntN(10), r.IntN(10), r.IntN(10)
		num, den := 1+r.Int64N(1000), 1+r.Int64N(9)
		c, err := money.NewContract(ps, qs, ss, num, den)
		if err != nil {
			t.Fatal(err)
		}
		qty, px := anyInt(r), anyInt(r)
		top := new(big.Int).Mul(big.NewInt(qty), big.NewInt(px))
		top.Mul(top, big.NewInt(num))
		bottom := big.NewInt(den)
		ten := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
		top.Mul(top, ten(ss))
		bottom.Mul(bottom, ten(ps+qs))
		want := bigRound(top, bottom)
		got, err := c.Notional(qty, px)
		if err == nil && (!want.IsInt64() || got != want.Int64()) {
			t.Fatalf("notional of %d at %d, scales %d %d %d, multiplier %d/%d: got %d, want %v", qty, px, ps, qs, ss, num, den, got, want)
		}
		if err != nil && want.IsInt64() && want.Int64() != math.MinInt64 && new(big.Int).Mul(top, big.NewInt(1)).BitLen() < 120 {
			t.Fatalf("notional %v fits and was refused: %v", want, err)
		}
	}
	if got, err := (money.Contract{}).Notional(5, 5); got != 0 || err != nil {
		t.Errorf("zero contract: %d, %v", got, err)
	}
	if _, err := money.NewContract(2, 2, 6, 0, 1); err == nil {
		t.Error("a multiplier of 0 was accepted")
	}
	if _, err := money.NewContract(9, 9, 0, 1, math.MaxInt64); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("a denominator beyond 64 bits: %v", err)
	}
}

// The order that turned a total into 57.638000000000005 elsewhere.
func TestNotionalIsExact(t *testing.T) {
	t.Parallel()
	c, err := money.NewContract(8, 6, 8, 1, 1) // XRP/ETH
	if err != nil {
		t.Fatal(err)
	}
	px, err := money.ParseDecimal("0.00141342", 8)
	if err != nil {
		t.Fatal(err)
	}
	qty, err := money.ParseDecimal("23.0", 6)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Notional(qty, px)
	if err != nil || money.Format(got, 8) != "0.03250866" {
		t.Errorf("23 XRP at 0.00141342 ETH are %s ETH, %v", money.Format(got, 8), err)
	}
}

func TestParseDecimal(t *testing.T) {
	t.Parallel()
	good := map[string]int64{"1.12": 112000, "1.121200": 112120, "-0.5": -50000, "0": 0, "92233720368547.75807": math.MaxInt64}
	for s, want := range good {
		if got, err := money.ParseDecimal(s, 5); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-", ".5", "1.", "1.123456", "1e5", "1,5", "1.2.3", "+1", "92233720368547.75808", "NaN", " 1"} {
		if got, err := money.ParseDecimal(s, 5); err == nil {
			t.Errorf("%q was read as %d", s, got)
		}
	}
	if _, err := money.ParseDecimal("1", 19); err == nil {
		t.Error("scale 19 was accepted")
	}
	for n, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", -12345: "-123.45"} {
		if got := money.Format(n, 2); got != want {
			t.Errorf("Format(%d) = %s, want %s", n, got, want)
		}
	}
	if got := money.Format(-7, 0); got != "-7" {
		t.Errorf("Format at scale 0: %s", got)
	}
}

func FuzzParseDecimal(f *testing.F) {
	f.Add("1.121200", 5)
	f.Add("-0.00000042", 8)
	f.Fuzz(func(t *testing.T, s string, scale int) {
		n, err := money.ParseDecimal(s, scale)
		if err != nil {
			return
		}
		again, err := money.ParseDecimal(money.Format(n, scale), scale)
		if err != nil || again != n {
			t.Fatalf("%q at scale %d: %d, then %d, %v", s, scale, n, again, err)
		}
	})
}
