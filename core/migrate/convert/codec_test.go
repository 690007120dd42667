package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/migrate/convert"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/testconn"
)

// Each codec on its edges. want is what the column holds afterwards, "" for a loss; back is what the old type would hold again, where it
// differs from the old value in its bytes.
func TestCodecs(t *testing.T) {
	t.Parallel()
	conn := open(t)
	for _, c := range []struct{ types, codec, old, want, back string }{
		{"TEXT -> INTEGER", "dec(6)", "'1.5'", "1500000", ""},
		{"TEXT -> INTEGER", "dec(6)", "'1.50'", "1500000", "'1.5'"},
		{"TEXT -> INTEGER", "dec(6,2)", "'1.50'", "1500000", ""},
		{"TEXT -> INTEGER", "dec(6)", "'+.5'", "500000", "'0.5'"},
		{"TEXT -> INTEGER", "dec(6)", "'5.'", "5000000", "'5'"},
		{"TEXT -> INTEGER", "dec(6)", "'-0'", "0", "'0'"},
		{"TEXT -> INTEGER", "dec(0)", "'9223372036854775807'", "9223372036854775807", ""},
		{"TEXT -> INTEGER", "dec(0)", "'-9223372036854775808'", "-9223372036854775808", ""},
		{"TEXT -> INTEGER", "dec(0)", "'9223372036854775808'", "", ""},
		{"TEXT -> INTEGER", "dec(18)", "'9.223372036854775807'", "9223372036854775807", ""},
		{"TEXT -> INTEGER", "dec(18)", "'10'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "'1.005'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "'1.0500000000000000000000000000000'", "105", "'1.05'"},
		{"TEXT -> INTEGER", "dec(2)", "'12abc'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "'1.2.3'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "'.'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "'-'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "''", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "'١'", "", ""},
		{"TEXT -> INTEGER", "dec(2)", "x'31'", "", ""},
		{"REAL -> INTEGER", "dec(6)", "19.99", "19990000", ""},
		{"REAL -> INTEGER", "dec(6)", "0.1 + 0.2", "", ""},
		{"REAL -> INTEGER", "dec(6)", "9e999", "", ""},
		{"REAL -> INTEGER", "dec(2)", "-1e15", "-100000000000000000", ""},
		{"NUMERIC -> INTEGER", "dec(2)", "12", "1200", ""},
		{"NUMERIC -> INTEGER", "dec(2)", "12.25", "1225", ""},
		{"NUMERIC -> INTEGER", "dec(2)", "'12x'", "", ""},
		{"INTEGER -> TEXT", "dec(2,2)", "-5", "'-0.05'", ""},
		{"INTEGER -> REAL", "dec(2)", "1999", "19.99", ""},
		{"INTEGER -> REAL", "dec(2)", "9007199254740993", "", ""},
		{"INTEGER -> TEXT", "dec(2)", "'oops'", "", ""},
		{"TEXT -> INTEGER", "int", "'007'", "7", "'7'"},
		{"TEXT -> INTEGER", "int", "'7.0'", "", ""},
		{"REAL -> INTEGER", "int", "3.0", "3", ""},
		{"REAL -> INTEGER", "int", "3.5", "", ""},
		{"REAL -> INTEGER", "int", "9223372036854775808.0", "", ""},
		{"REAL -> INTEGER", "int", "-9223372036854775808.0", "-9223372036854775808", ""},
		{"INTEGER -> REAL", "int", "9007199254740993", "", ""},
		{"INTEGER -> REAL", "int", "9223372036854775807", "", ""},
		{"INTEGER -> INTEGER", "int", "'12abc'", "", ""},
		{"TEXT -> REAL", "real", "'0.1'", "0.1", ""},
		{"TEXT -> REAL", "real", "'1e3'", "1000.0", "'1000'"},
		{"TEXT -> REAL", "real", "'0.1000000000000000055'", "", ""},
		{"TEXT -> REAL", "real", "'123456789012345678'", "", ""},
		{"TEXT -> REAL", "real", "'inf'", "", ""},
		{"TEXT -> REAL", "real", "'0x1p3'", "", ""},
		{"TEXT -> REAL", "real", "'1_0'", "", ""},
		{"TEXT -> REAL", "real", "'1e999'", "", ""},
		{"INTEGER -> REAL", "real", "5", "5.0", ""},
		{"INTEGER -> REAL", "real", "9007199254740993", "", ""},
		{"TEXT -> INTEGER", "bool", "'Yes'", "1", "'true'"},
		{"TEXT -> INTEGER", "bool", "'false'", "0", ""},
		{"TEXT -> INTEGER", "bool", "'maybe'", "", ""},
		{"TEXT -> INTEGER", "bool(J,N)", "'J'", "1", ""},
		{"TEXT -> INTEGER", "bool(J,N)", "'j'", "", ""},
		{"INTEGER -> TEXT", "bool", "1", "'true'", ""},
		{"INTEGER -> INTEGER", "bool", "2", "", ""},
		{"TEXT -> INTEGER", "enum(BUY=1, SELL=-1, 'B Y'=1)", "'SELL'", "-1", ""},
		{"TEXT -> INTEGER", "enum(BUY=1, SELL=-1, 'B Y'=1)", "'B Y'", "1", "'BUY'"},
		{"TEXT -> INTEGER", "enum(BUY=1, SELL=-1)", "'buy'", "", ""},
		{"TEXT -> TEXT", "enum(b=BUY)", "'b'", "'BUY'", ""},
		{"INTEGER -> TEXT", "enum(1=BUY)", "1", "'BUY'", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_ms)", "'2024-02-29T23:59:59.123Z'", "1709251199123", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_ms)", "'2024-02-29T23:59:59.1234Z'", "", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_s)", "'2024-01-01T00:00:00+02:00'", "1704060000", "'2023-12-31T22:00:00Z'"},
		{"TEXT -> INTEGER", "time(rfc3339, unix_ns)", "'1969-12-31T23:59:59.999999999Z'", "-1", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_ns)", "'9999-12-31T23:59:59Z'", "", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_s)", "'2024-02-30T00:00:00Z'", "", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_s)", "'2024-01-01'", "", ""},
		{"TEXT -> INTEGER", "time(rfc3339, unix_ns)", "'2024-01-01T00:00:00.1234567891Z'", "", ""},
		{"TEXT -> INTEGER", "time(datetime, unix_us)", "'2024-01-01 00:00:00.000001'", "1704067200000001", ""},
		{"TEXT -> INTEGER", "time(date, unix_s)", "'2024-01-01'", "1704067200", ""},
		{"INTEGER -> TEXT", "time(unix_s, date)", "1704067201", "", ""},
		{"INTEGER -> TEXT", "time(unix_ms, rfc3339)", "-1", "'1969-12-31T23:59:59.999Z'", ""},
		{"INTEGER -> INTEGER", "time(unix_s, unix_ms)", "9223372036854775807", "", ""},
		{"INTEGER -> INTEGER", "time(unix_ms, unix_s)", "1500", "", ""},
		{"INTEGER -> TEXT", "time(unix_s, rfc3339)", "253402300800", "", ""},
		{"INTEGER -> TEXT", "text", "-12", "'-12'", ""},
		{"REAL -> TEXT", "text", "1e-7", "'1e-07'", ""},
		{"BLOB -> TEXT", "text", "x'c3a9'", "'é'", ""},
		{"BLOB -> TEXT", "text", "x'ff'", "", ""},
		{"TEXT -> TEXT", "json", `'{"a":[1,2]}'`, `'{"a":[1,2]}'`, ""},
		{"TEXT -> TEXT", "json", `'{a:1}'`, "", ""},
		{"TEXT -> BLOB", "blob", "'é'", "x'c3a9'", ""},
		{"TEXT -> BLOB", "hex", "'00ff'", "x'00ff'", ""},
		{"TEXT -> BLOB", "hex", "'00FF'", "x'00ff'", "'00ff'"},
		{"TEXT -> BLOB", "hex", "'0'", "", ""},
		{"BLOB -> TEXT", "hex", "x''", "''", ""},
		{"TEXT -> BLOB", "base64", "'AP8='", "x'00ff'", ""},
		{"TEXT -> BLOB", "base64", "'AP9='", "", ""},
		{"TEXT -> BLOB", "uuid", "'123e4567-e89b-12d3-a456-426614174000'", "x'123e4567e89b12d3a456426614174000'", ""},
		{"TEXT -> BLOB", "uuid", "'123e4567e89b12d3a456426614174000'", "", ""},
		{"BLOB -> TEXT", "uuid", "x'00'", "", ""},
	} {
		t.Run(strings.Join([]string{c.types, c.codec, c.old}, " "), func(t *testing.T) {
			testconn.Exec(t, conn, "DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS want")
			from, _, _ := strings.Cut(c.types, " ")
			testconn.Exec(t, conn, "CREATE TABLE t (id INTEGER PRIMARY KEY, v "+from+")", "INSERT INTO t VALUES (1, "+c.old+")")
			before := dump(t, conn, "t")
			d := parse(t, "t.v "+c.types+" using "+c.codec+" on_loss=quarantine")
			r := apply(t, conn, d)
			want := c.want
			if want == "" {
				want = "NULL"
			}
			testconn.Exec(t, conn, "CREATE TABLE want (v)", "INSERT INTO want VALUES ("+want+")")
			if got := text(t, conn, "SELECT t.v IS want.v AND typeof(t.v) = typeof(want.v) FROM t, want"); got != "1" || (c.want == "") != (r.Lossy == 1) {
				t.Errorf("got %s, %+v", text(t, conn, "SELECT quote(v) FROM t"), r)
			}
			if kept := int64(1); (c.want == "" || c.back != "") != (r.Kept == kept) {
				t.Errorf("kept %d former values", r.Kept)
			}
			revert(t, conn, d)
			if got := dump(t, conn, "t"); got != before {
				t.Errorf("came back as %s of %s", got, before)
			}
			if c.back == "" {
				return
			}
			// Without what is kept, the inverse alone writes the usual spelling.
			apply(t, conn, d)
			testconn.Exec(t, conn, "DELETE FROM _tg_quarantine WHERE kind = 'spelling'")
			revert(t, conn, d)
			if got := text(t, conn, "SELECT quote(v) FROM t"); got != c.back {
				t.Errorf("the inverse writes %s, want %s", got, c.back)
			}
		})
	}
}

func TestNullsAreNotTouchedSilently(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{"": "NULL", "null=keep": "NULL", "null=value(-1)": "-1", "null=abort": ""} {
		c := open(t)
		testconn.Exec(t, c, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, NULL), (2, '2')")
		before := dump(t, c, "t")
		d := parse(t, "t.v TEXT -> INTEGER using int "+option)
		if want == "" {
			testconn.Exec(t, c, "BEGIN IMMEDIATE")
			if _, err := convert.Apply(t.Context(), c, d, options()); !errors.Is(err, convert.ErrLoss) {
				t.Errorf("%s: got %v", option, err)
			}
			testconn.Exec(t, c, "ROLLBACK")
			continue
		}
		apply(t, c, d)
		if got := text(t, c, "SELECT quote(v) FROM t WHERE id = 1"); got != want {
			t.Errorf("%s: got %s, want %s", option, got, want)
		}
		revert(t, c, d)
		if dump(t, c, "t") != before {
			t.Errorf("%s: came back as %s", option, dump(t, c, "t"))
		}
	}
}

// What SQLite stores is compared with what was computed: a declared type can change a value on its way in.
func TestProofFindsAValueThatIsStoredOtherwise(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE)"} {
		c := open(t)
		testconn.Exec(t, c, schema, "INSERT INTO t VALUES (1, 'a')", "BEGIN IMMEDIATE")
		_, err := convert.Apply(t.Context(), c, parse(t, "t.v TEXT -> BOOLEAN using enum(a='1.0')"), options())
		testconn.Exec(t, c, "ROLLBACK")
		if !errors.Is(err, convert.ErrProof) {
			t.Errorf("got %v", err)
		}
	}
}

// The new values have to meet the constraints that the column keeps; SQLite says so and nothing is lost.
func TestConvertMeetsConstraints(t *testing.T) {
	t.Parallel()
	c := open(t)
	testconn.Exec(t, c, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT CHECK (typeof(v) = 'text'))", "INSERT INTO t VALUES (1, '1')", "BEGIN IMMEDIATE")
	_, err := convert.Apply(t.Context(), c, parse(t, "t.v TEXT -> INTEGER using int"), options())
	testconn.Exec(t, c, "ROLLBACK")
	if sqlite.ClassOf(err) != sqlite.Constraint || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("got %v", err)
	}
}
