package engine_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

func TestParseDecimal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "+7": "7", "007": "7", "12.50": "12.50", "-0.05": "-0.05", ".5": "0.5", "5.": "5", "-.250": "-0.250",
		"9223372036854775807": "9223372036854775807", "-9.223372036854775807": "-9.223372036854775807",
		"0.000000000000000001": "0.000000000000000001", "0.000000000000000000000": "0.000000000000000000",
		"1.0000000000000000000000": "1.000000000000000000", "92233720368547758.0700000": "92233720368547758.07", "922337203685477.58070000": "922337203685477.5807", "9.0000000000000000010": "9.000000000000000001", "9.500000000000000000": "9.50000000000000000",
		"9223372036854775807.000": "9223372036854775807", "9300000000000000000.0": "", // 9.3e18 does not fit at any scale
		"1e3": "1000", "1.5E3": "1500", "1.5e+1": "15", "1.50e1": "15.0", "125e-2": "1.25", "1e-18": "0.000000000000000001",
		"0e99999999999999999999": "0", "0.0e-99999999999999999999": "0.000000000000000000", "1e18": "1000000000000000000",
		strings.Repeat("0", 5000) + "1." + strings.Repeat("0", 5000): "1.000000000000000000",
	} {
		d, err := engine.ParseDecimal(in)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %v", in, d)
			}
			continue
		}
		if err != nil || d.String() != want {
			t.Errorf("%.40q: %v %v, want %s", in, d, err, want)
		}
	}
	for in, want := range map[string]engine.DecimalReason{
		"": engine.DecimalSyntax, "-": engine.DecimalSyntax, ".": engine.DecimalSyntax, "1e": engine.DecimalSyntax, "1e+": engine.DecimalSyntax,
		"--1": engine.DecimalSyntax, "+-1": engine.DecimalSyntax, "1.2.3": engine.DecimalSyntax, " 1": engine.DecimalSyntax, "1 ": engine.DecimalSyntax,
		"1_000": engine.DecimalSyntax, "1,000": engine.DecimalSyntax, "0x10": engine.DecimalSyntax, "NaN": engine.DecimalSyntax, "Inf": engine.DecimalSyntax,
		"1e1e1": engine.DecimalSyntax, "1e1.5": engine.DecimalSyntax, "１": engine.DecimalSyntax, "1/2": engine.DecimalSyntax,
		"9223372036854775808": engine.DecimalOverflow, "-9223372036854775808": engine.DecimalOverflow, "1e19": engine.DecimalOverflow,
		"1e99999999999999999999": engine.DecimalOverflow, "99999999999999999999": engine.DecimalOverflow, "9.9999999999999999999": engine.DecimalInexact,
		"0.0000000000000000001": engine.DecimalInexact, "1e-19": engine.DecimalInexact, "1e-99999999999999999999": engine.DecimalInexact,
		"922337203685477580.71": engine.DecimalOverflow,
	} {
		d, err := engine.ParseDecimal(in)
		var typed *engine.DecimalError
		if !errors.As(err, &typed) || typed.Reason != want {
			t.Errorf("%q: %v %v, want %s", in, d, err, want)
		}
	}
}

func TestDecimalString(t *testing.T) {
	t.Parallel()
	for _, coef := range decimalEdges() {
		for scale := range engine.MaxDecimalScale + 1 {
			d := coefficient(t, coef, scale)
			if want := rat(d).FloatString(scale); d.String() != want {
				t.Errorf("%d of scale %d prints as %s, want %s", coef, scale, d, want)
			}
			if back := number(t, d.String()); back != d {
				t.Errorf("%v came back as %v", d, back)
			}
		}
	}
}

func TestDecimalFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, in, want string }{
		{"%v", "-12.50", "-12.50"}, {"%s", "12.50", "12.50"}, {"%q", "12.50", `"12.50"`}, {"%+v", "12.50", "+12.50"}, {"%+v", "-12.50", "-12.50"},
		{"%10s|", "12.50", "     12.50|"}, {"%-10s|", "12.50", "12.50     |"}, {"%010s|", "-12.50", "-000012.50|"}, {"%+010v", "12.50", "+000012.50"},
		{"%f", "12.50", "12.50"}, {"%.1f", "12.55", "12.6"}, {"%.1f", "12.45", "12.4"}, {"%.0f", "-0.5", "0"}, {"%.0f", "1.5", "2"},
		{"%.4f", "12.5", "12.5000"}, {"%.2f", "12", "12.00"}, {"%.0f", "12", "12"}, {"%.20f", "0.5", "0.50000000000000000000"}, {"%8.2f|", "1.005", "    1.00|"},
		{"%d", "12.50", "%!d(engine.Decimal=12.50)"}, {"%.3f", "9223372036854775807", "9223372036854775807.000"},
	} {
		if got := fmt.Sprintf(c.format, number(t, c.in)); got != c.want {
			t.Errorf("%s of %s is %q, want %q", c.format, c.in, got, c.want)
		}
	}
}

func TestDecimalJSON(t *testing.T) {
	t.Parallel()
	type order struct {
		Price engine.Decimal            `json:"price"`
		Stop  *engine.Decimal           `json:"stop"`
		By    map[engine.Decimal]string `json:"by,omitempty"`
	}
	out, err := json.Marshal(order{Price: number(t, "12345678901234567.89"), By: map[engine.Decimal]string{number(t, "0.50"): "half"}})
	if err != nil || string(out) != `{"price":"12345678901234567.89","stop":null,"by":{"0.50":"half"}}` {
		t.Errorf("%s %v", out, err)
	}
	var in order
	// As a float the price would come back as 12345678901234568.
	err = json.Unmarshal([]byte(`{"price": 12345678901234567.89, "stop": "-1.50", "by": {"0.50": "half"}}`), &in)
	if err != nil || in.Price != number(t, "12345678901234567.89") || in.Stop == nil || *in.Stop != number(t, "-1.50") || in.By[number(t, "0.50")] != "half" {
		t.Errorf("%+v %v", in, err)
	}
	if err := json.Unmarshal([]byte(`{"price": null, "stop": null}`), &in); err != nil || in.Price != number(t, "12345678901234567.89") || in.Stop != nil {
		t.Errorf("null: %+v %v", in, err)
	}
	if err := json.Unmarshal([]byte(`{"price": 1.5e3}`), &in); err != nil || in.Price != number(t, "1500") {
		t.Errorf("%v %v", in.Price, err)
	}
	for _, bad := range []string{`""`, `"1" `, `true`, `{}`, `["1"]`, `"one"`, `1e400`, `"\u0031"`, `"`} {
		var d engine.Decimal
		if err := d.UnmarshalJSON([]byte(bad)); !errors.Is(err, engine.ErrDecimal) || d != (engine.Decimal{}) {
			t.Errorf("%s: %v %v", bad, d, err)
		}
	}
	if b, err := number(t, "1.50").AppendText([]byte("px=")); string(b) != "px=1.50" || err != nil {
		t.Errorf("%s %v", b, err)
	}
}

// TestDecimalInDatabase takes decimals through SQL in both forms.
func TestDecimalInDatabase(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	exec(t, db, "CREATE TABLE fill (id INTEGER PRIMARY KEY, px TEXT, notional INTEGER) STRICT")
	for i, s := range []string{"0", "-12.50", "92233720368547758.07", "-92233720368547758.07", "0.01"} {
		px := number(t, s)
		if _, err := db.Exec(t.Context(), "INSERT INTO fill VALUES (?, ?, ?)", i, px, engine.Scaled(&px, 2)); err != nil {
			t.Fatal(err)
		}
		var text string
		var cents int64
		var got, scaled engine.Decimal
		var pointer *engine.Decimal
		var null sql.Null[engine.Decimal]
		err := db.QueryRow(t.Context(), "SELECT px, notional, px, notional, px, px FROM fill WHERE id = ?", i).
			Scan(&text, &cents, &got, engine.Scaled(&scaled, 2), &pointer, &null)
		if err != nil || text != s || got != px || !scaled.Equal(px) || scaled.Scale() != 2 || pointer == nil || *pointer != px || !null.Valid || null.V != px {
			t.Errorf("%s: %v %v %v %v %v %v %v", s, text, cents, got, scaled, pointer, null, err)
		}
		if want, err := px.Rescale(2, engine.RoundExact); err != nil || cents != want.Coefficient() {
			t.Errorf("%s is stored as %d", s, cents)
		}
	}
	// Sums are made of integers: as text they would be floats.
	var total engine.Decimal
	if err := db.QueryRow(t.Context(), "SELECT sum(notional) FROM fill").Scan(engine.Scaled(&total, 2)); err != nil || total.String() != "-12.49" {
		t.Errorf("sum %v %v", total, err)
	}
	var pointer *engine.Decimal
	if err := db.QueryRow(t.Context(), "SELECT NULL").Scan(&pointer); err != nil || pointer != nil {
		t.Errorf("NULL: %v %v", pointer, err)
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO fill (id, px, notional) VALUES (9, ?, ?)", pointer, engine.Scaled(nil, 2)); err != nil {
		t.Fatal(err)
	}
	if n := one(t, db, "SELECT count(*) FROM fill WHERE id = 9 AND px IS NULL AND notional IS NULL"); n != 1 {
		t.Error("a nil Decimal is not NULL")
	}
}

func TestDecimalScanRefuses(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	keep := number(t, "1.5")
	for _, expression := range []string{"1", "1.5", "NULL", "'one'", "x'00'", "'1.2345678901234567891'"} {
		d := keep
		wantOnly(t, db.QueryRow(t.Context(), "SELECT "+expression).Scan(&d), engine.ErrArgs)
		if d != keep {
			t.Errorf("%s was refused and left %v", expression, d)
		}
	}
	for _, expression := range []string{"'1'", "1.5", "NULL", "-9223372036854775808"} {
		d := keep
		wantOnly(t, db.QueryRow(t.Context(), "SELECT "+expression).Scan(engine.Scaled(&d, 2)), engine.ErrArgs)
		if d != keep {
			t.Errorf("%s was refused and left %v", expression, d)
		}
	}
	for name, arg := range map[string]engine.ScaledDecimal{"a digit too many": engine.Scaled(&keep, 0), "scale": engine.Scaled(&keep, 19)} {
		_, err := db.Exec(t.Context(), "SELECT ?", arg)
		t.Log(name)
		wantOnly(t, err, engine.ErrArgs)
	}
	for _, src := range []any{int64(1), 1.5, nil, true} {
		var d engine.Decimal
		wantOnly(t, d.Scan(src), engine.ErrDecimal)
	}
	wantOnly(t, engine.Scaled(nil, 2).Scan(int64(1)), engine.ErrDecimal)
	var d engine.Decimal
	wantOnly(t, engine.Scaled(&d, 40).Scan(int64(1)), engine.ErrDecimal)
}

// FuzzParseDecimal holds the parser against math/big: what it takes is exactly that number, and what it refuses is either no
// number or has no Decimal.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-12.50", "1e-18", "9223372036854775807.0", "1.5e3", ".", "0.00000000000000000010", "00.1e2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := engine.ParseDecimal(s)
		exact, known := new(big.Rat), false
		// math/big takes other forms besides, and does 10^exponent in full.
		if i := strings.IndexAny(s, "eE"); !strings.ContainsAny(s, "/_xXbBoOpP") && (i < 0 || len(s)-i < 5) {
			if _, known = exact.SetString(s); !known && err == nil {
				t.Fatalf("%q became %v and is no number", s, d)
			}
		}
		if err == nil {
			if back, err := engine.ParseDecimal(d.String()); err != nil || back != d {
				t.Fatalf("%q became %v, which does not come back: %v", s, d, err)
			}
			if known && rat(d).Cmp(exact) != 0 {
				t.Fatalf("%q became %v", s, d)
			}
			return
		}
		if !known {
			return
		}
		for scale := range engine.MaxDecimalScale + 1 {
			if _, reason := decimalOracle(exact, scale, engine.RoundExact); reason == "" {
				t.Fatalf("%q has a Decimal of scale %d and was refused: %v", s, scale, err)
			}
		}
	})
}
