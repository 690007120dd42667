package bulk

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

// CheckNumbers holds what is made of a text against math/big. It is exported to the fuzz target, which is outside of the package.
func CheckNumbers(t *testing.T, s string) {
	t.Helper()
	exact, ok := new(big.Rat).SetString(s)
	if strings.ContainsAny(s, "_xXoObBpP/") || len(s) > 300 {
		ok = false
	}
	if n, why := parseInteger([]byte(s)); why == "" && (!ok || exact.Cmp(new(big.Rat).SetInt64(n)) != 0 || strconv.FormatInt(n, 10) != s) {
		t.Fatalf("%q became the integer %d", s, n)
	}
	if n, why := parseScaled([]byte(s), 8); why == "" && (!ok || exact.Mul(exact, big.NewRat(100_000_000, 1)).Cmp(new(big.Rat).SetInt64(n)) != 0) {
		t.Fatalf("%q became %d units of 1e-8", s, n)
	}
	f, why := parseReal([]byte(s))
	if why != "" || math.IsInf(f, 0) {
		return
	}
	if want, err := strconv.ParseFloat(s, 64); err != nil || want != f {
		t.Fatalf("%q became %g, want %g", s, f, want)
	}
	if back, why := parseReal(appendReal(nil, f)); why != "" || math.Float64bits(back) != math.Float64bits(f) {
		t.Fatalf("%q became %g, which comes back as %g (%s)", s, f, back, why)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "-", ".", "-.5", "1.", "1e", "1e+", "1E5", "1e-5", "0e0", "-0.0", "0.000", "1e9999", "1e10000", "9.99e-5", "92233720368.54775807"} {
		CheckNumbers(t, s)
	}
	for s, want := range map[string]bool{"1": true, " 1": true, "+1.5": true, ".5": true, "1e5": true, "1.": true, "1.2.3": false, "abc": false, "": false, "0x1": false, "1e": false, "inf": false, "-": false, "1 2": false} {
		if got := looksNumeric([]byte(s)); got != want {
			t.Errorf("looksNumeric(%q) = %v", s, got)
		}
	}
}

func TestFloatsInIntegerColumns(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]bool{3: true, -3: true, 1 << 53: true, 1 << 54: false, 1e300: false, 0.5: false, math.Inf(1): false, math.NaN(): false} {
		v, why := convert(&Cell{Kind: CellReal, Float: f}, &Column{Kind: Integer}, noScale)
		if (why == "") != want || want && v != int64(f) {
			t.Errorf("%g became %v (%s)", f, v, why)
		}
	}
	if v, why := convert(&Cell{Kind: CellReal, Float: 3}, &Column{Kind: Integer}, 2); why == "" {
		t.Errorf("a binary fraction with a scale became %v", v)
	}
}
