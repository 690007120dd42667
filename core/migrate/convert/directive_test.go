package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/internal/testconn"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"trades.price TEXT -> INTEGER using dec(6) null=keep on_loss=abort":           "trades.price TEXT -> INTEGER using dec(6) null=keep on_loss=abort",
		` "my ""t".[a b]  VARCHAR( 20 ) -> NONE using HEX on_loss=quarantine`:         `"my ""t"."a b" VARCHAR( 20 ) -> NONE using hex null=keep on_loss=quarantine`,
		"t.c DOUBLE PRECISION -> INTEGER using dec(2) on_loss = quarantine( -1 )":     "t.c DOUBLE PRECISION -> INTEGER using dec(2) null=keep on_loss=quarantine(-1)",
		"t.c INTEGER -> TEXT using enum(1='a, b', 2=c) null=value(x) position=keep":   "t.c INTEGER -> TEXT using enum(1='a, b',2=c) null=value('x') on_loss=abort position=keep",
		"t.c INTEGER -> REAL using real null=value(0) on_loss=quarantine(1)":          "t.c INTEGER -> REAL using real null=value(0) on_loss=quarantine(1)",
		"t.c TEXT->INTEGER using time(rfc3339,unix_ns) null=abort on_loss=quarantine": "t.c TEXT -> INTEGER using time(rfc3339,unix_ns) null=abort on_loss=quarantine",
	} {
		d, err := convert.Parse(in)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := d.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
		if again, err := convert.Parse(d.String()); err != nil || again.String() != d.String() {
			t.Errorf("%s is not read back: %v", d, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for in, says := range map[string]string{
		"":                                                       "table.column",
		"t":                                                      "table.column",
		"t.c TEXT INTEGER using int":                             "->",
		"t.c TEXT -> INTEGER":                                    "using",
		"t.c -> INTEGER using int":                               "type is missing",
		"t.c TEXT -> INTEGER using":                              "no codec",
		"t.c TEXT -> INTEGER using magic":                        "unknown",
		"t.c TEXT -> INTEGER using dec":                          "dec(6)",
		"t.c TEXT -> INTEGER using dec(x)":                       "digits",
		"t.c TEXT -> INTEGER using dec(19)":                      "0 to 18",
		"t.c TEXT -> INTEGER using dec(2,3)":                     "not above",
		"t.c TEXT -> INTEGER using dec(2":                        "do not end",
		"t.c TEXT -> BLOB using dec(2)":                          "does not go",
		"t.c TEXT -> REAL using int":                             "does not go",
		"t.c TEXT -> INTEGER using int(3)":                       "no arguments",
		"t.c TEXT -> INTEGER using int null=maybe":               "null=maybe",
		"t.c TEXT -> INTEGER using int null=keep null=keep":      "twice",
		"t.c TEXT -> INTEGER using int quickly":                  "no option",
		"t.c TEXT -> INTEGER using bool(a)":                      "two",
		"t.c TEXT -> INTEGER using bool(a,a)":                    "differ",
		"t.c TEXT -> INTEGER using enum":                         "list",
		"t.c TEXT -> INTEGER using enum(a)":                      "pair",
		"t.c TEXT -> INTEGER using enum(a=b)":                    "no integer",
		"t.c TEXT -> INTEGER using enum(a=1,a=2)":                "twice",
		"t.c TEXT -> INTEGER using time(rfc3339)":                "two ways",
		"t.c TEXT -> INTEGER using time(rfc3339,martian)":        "martian",
		"t.c TEXT -> INTEGER using time(rfc3339,date)":           "does not go into",
		"_tg_migration.name TEXT -> BLOB using blob":             "not a table of the application",
		"t.c TEXT -> INTEGER using int on_loss=quarantine(1)(2)": "no option",
	} {
		_, err := convert.Parse(in)
		var de *convert.DirectiveError
		if !errors.As(err, &de) || de.Remedy == "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", in, err, says)
		}
	}
}

func TestDirectiveThatDoesNotFit(t *testing.T) {
	t.Parallel()
	c := open(t)
	testconn.Exec(t, c, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT NOT NULL, g AS (a), d TEXT DEFAULT (1 + 1), e TEXT DEFAULT 'x', _tg_new_a)",
		"CREATE VIEW w AS SELECT a FROM t", "CREATE TABLE h (rowid, _rowid_, oid, x TEXT)")
	for in, says := range map[string]string{
		"nix.a TEXT -> INTEGER using int":                  "no such table",
		"w.a TEXT -> INTEGER using int":                    "no such table",
		"t.nix TEXT -> INTEGER using int":                  "no such column",
		"t.a VARCHAR -> INTEGER using int":                 "declared as TEXT",
		"t.g NONE -> TEXT using text":                      "generated",
		"t.a TEXT -> INTEGER using int":                    "_tg_new_a is in the way",
		"t.b TEXT -> INTEGER using int on_loss=quarantine": "NOT NULL",
		"t.d TEXT -> INTEGER using int":                    "expression",
		"t.e TEXT -> INTEGER using int":                    "default cannot be converted",
		"h.x TEXT -> INTEGER using int":                    "rowid",
	} {
		if _, err := convert.Analyse(t.Context(), c, parse(t, in), options()); !errors.Is(err, convert.ErrSchema) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", in, err, says)
		}
	}
	if _, err := convert.Apply(t.Context(), c, parse(t, "t.b TEXT -> INTEGER using int"), options()); err == nil || !strings.Contains(err.Error(), "transaction") {
		t.Errorf("outside a transaction: %v", err)
	}
}

// FuzzParse holds that what is understood is written in a form that is understood the same way.
func FuzzParse(f *testing.F) {
	f.Add("trades.price TEXT -> INTEGER using dec(6) null=keep on_loss=abort")
	f.Add(`"a""b".[c] NONE -> TEXT using enum(a='b''c') null=value(1.5) on_loss=quarantine('x')`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := convert.Parse(s)
		if err != nil {
			return
		}
		again, err := convert.Parse(d.String())
		if err != nil || again.String() != d.String() {
			t.Errorf("%q became %q, which is read as %v, %v", s, d.String(), again, err)
		}
	})
}
