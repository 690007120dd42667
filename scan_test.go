package engine_test

import (
	"database/sql"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// upper is a Scanner that the table below scans into.
type upper string

func (u *upper) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return errors.New("not text: " + secret)
	}
	*u = upper(strings.ToUpper(s))
	return nil
}

type (
	myInt   int16
	myText  string
	myBytes []byte
	myFloat float64
	myBool  bool
)

func ptr[T any](v T) *T { return &v }

// scanned reads one expression into a new variable of want's type.
func scanned(t *testing.T, db *engine.DB, expr string, want any) (any, error) {
	t.Helper()
	dest := reflect.New(reflect.TypeOf(want))
	err := db.QueryRow(t.Context(), "SELECT "+expr+" AS v").Scan(dest.Interface())
	return dest.Elem().Interface(), err
}

func TestScanTargets(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	for _, c := range []struct {
		expr string
		want any
	}{
		{"42", int(42)}, {"42", int8(42)}, {"42", int16(42)}, {"42", int32(42)}, {"42", int64(42)},
		{"42", uint(42)}, {"255", uint8(255)}, {"42", uint16(42)}, {"42", uint32(42)}, {"9223372036854775807", uint64(math.MaxInt64)},
		{"-9223372036854775808", int64(math.MinInt64)}, {"3.0", int(3)}, {"'17'", int(17)}, {"'-5'", int64(-5)},
		{"1.5", 1.5}, {"0.1", 0.1}, {"2", 2.0}, {"9007199254740992", 9007199254740992.0}, {"'1.50'", 1.5}, {"'0.1'", 0.1}, {"'-1e3'", -1000.0},
		{"'123456789012345'", 123456789012345.0}, {"'1e-7'", 1e-7}, {"'000.25000'", 0.25}, {"9e999", math.Inf(1)},
		{"0.5", float32(0.5)}, {"3", float32(3)},
		{"1", true}, {"0", false},
		{"'text'", "text"}, {"''", ""}, {"42", "42"}, {"0.1", "0.1"}, {"1e300", "1e+300"}, {"x'616263'", "abc"},
		{"x'0001'", []byte{0, 1}}, {"'abc'", []byte("abc")}, {"x''", []byte{}}, {"NULL", []byte(nil)},
		{"42", any(int64(42))}, {"7", ptr(7)}, {"NULL", (*int)(nil)}, {"NULL", (*string)(nil)}, {"'a'", ptr("a")}, {"'a'", ptr(ptr("a"))},
		{"5", myInt(5)}, {"'m'", myText("m")}, {"x'09'", myBytes{9}}, {"2.5", myFloat(2.5)}, {"1", myBool(true)},
		{"'ab'", upper("AB")},
		{"NULL", sql.NullString{}}, {"'s'", sql.NullString{String: "s", Valid: true}}, {"8", sql.NullInt64{Int64: 8, Valid: true}},
		{"0.5", sql.NullFloat64{Float64: 0.5, Valid: true}}, {"1", sql.NullBool{Bool: true, Valid: true}},
		{"8", sql.Null[int]{V: 8, Valid: true}}, {"NULL", sql.Null[int]{}},
	} {
		got, err := scanned(t, db, c.expr, c.want)
		if err != nil {
			t.Errorf("%s into %T: %v", c.expr, c.want, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s into %T: got %#v, want %#v", c.expr, c.want, got, c.want)
		}
	}
	var v any
	for expr, want := range map[string]any{"1": int64(1), "1.5": 1.5, "'a'": "a", "x'61'": []byte("a"), "NULL": nil} {
		if err := db.QueryRow(t.Context(), "SELECT "+expr).Scan(&v); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%s into any: %#v, %v; want %#v", expr, v, err, want)
		}
	}
}

// TestScanRefusesLoss lists the conversions that would not give back what is stored.
func TestScanRefusesLoss(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	for _, c := range []struct {
		expr string
		into any
	}{
		{"300", int8(0)}, {"128", int8(0)}, {"-129", int8(0)}, {"65536", uint16(0)}, {"-1", uint(0)}, {"-1", uint64(0)}, {"32768", myInt(0)},
		{"1.5", int(0)}, {"1e300", int64(0)}, {"9e999", int64(0)}, {"'1.5'", int(0)}, {"'12x'", int(0)}, {"''", int(0)}, {"x'31'", int(0)}, {"' 1'", int(0)},
		{"9007199254740993", 0.0}, {"9223372036854775807", 0.0}, {"'abc'", 0.0}, {"x'31'", 0.0}, {"''", 0.0},
		{"'0.1234567890123456789'", 0.0}, {"'90071992547409.931'", 0.0}, {"'1e400'", 0.0}, {"'1e-400'", 0.0}, {"'nan'", 0.0}, {"'0x10'", 0.0},
		{"0.1", float32(0)}, {"16777217", float32(0)}, {"1e300", float32(0)}, {"'0.1'", float32(0)},
		{"2", false}, {"-1", false}, {"'true'", false}, {"1.0", false},
		{"42", []byte(nil)}, {"1.5", []byte(nil)},
		{"NULL", int(0)}, {"NULL", int64(0)}, {"NULL", ""}, {"NULL", 0.0}, {"NULL", false}, {"NULL", myInt(0)},
		{"7", upper("")}, {"300", ptr(int8(0))}, {"'x'", sql.NullInt64{}},
		{"1", make(chan int)}, {"1", []int(nil)}, {"1", map[string]int(nil)}, {"1", complex(0, 0)},
	} {
		got, err := scanned(t, db, c.expr, c.into)
		if !errors.Is(err, engine.ErrArgs) {
			t.Errorf("%s into %T: got %#v, %v; want ErrArgs", c.expr, c.into, got, err)
			continue
		}
		wantOnly(t, err, engine.ErrArgs)
		wantText(t, err, "column 1 (v)")
		wantNoSecret(t, err, secret)
		for _, value := range []string{"300", "32768", "9007199254740993", "12x", "0.12345"} {
			wantNoSecret(t, err, value)
		}
	}
}

func TestScanDestinations(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	rows, err := db.Query(t.Context(), "SELECT 1 AS a, 'x' AS b")
	if err != nil {
		t.Fatal(err)
	}
	var a int
	var b string
	wantOnly(t, rows.Scan(&a, &b), engine.ErrArgs) // before Next
	if _, err := rows.Values(); !errors.Is(err, engine.ErrArgs) {
		t.Errorf("Values before Next: %v", err)
	}
	rows.Next()
	for name, dest := range map[string][]any{
		"too few": {&a}, "too many": {&a, &b, &b}, "no pointer": {a, &b}, "nil": {nil, &b}, "nil pointer": {(*int)(nil), &b}, "none": {},
		"pointer to a struct among others": {&struct{ A int }{}, &b},
	} {
		t.Run(name, func(t *testing.T) { wantOnly(t, rows.Scan(dest...), engine.ErrArgs) })
	}
	wantText(t, rows.Scan(&a), "2 columns (a, b)", "1 destinations")
	if err := rows.Scan(&a, &b); err != nil || a != 1 || b != "x" { // the rows stay usable
		t.Errorf("%d %q %v", a, b, err)
	}
	if rows.Next() {
		t.Error("a second row")
	}
	wantOnly(t, rows.Scan(&a, &b), engine.ErrArgs) // after the end
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}

type stamp struct{ CreatedBy string }

type order struct {
	OrderID  int64
	Symbol   string `db:"sym"`
	Qty      float64
	Note     *string
	URL      string
	stamp           // promoted although the type is not exported
	Skipped  string `db:"-"`
	hidden   int
	HTTPCode int
	Day2     int
}

func TestScanStruct(t *testing.T) {
	t.Parallel()
	db := openAt(t, "sqlite://")
	const query = "SELECT 'http://x' AS url, 7 AS order_id, 'XRP' AS sym, 2.5 AS QTY, NULL AS note, 'me' AS created_by, 200 AS http_code, 4 AS day2"
	rows, err := db.Query(t.Context(), query+" UNION ALL SELECT 'u', 8, 'ETH', 1, 'n', 'you', 404, 5")
	if err != nil {
		t.Fatal(err)
	}
	var got []order
	for r, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		o := order{Skipped: "kept", hidden: 3}
		if err := r.Scan(&o); err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	want := []order{
		{7, "XRP", 2.5, nil, "http://x", stamp{"me"}, "kept", 3, 200, 4},
		{8, "ETH", 1, ptr("n"), "u", stamp{"you"}, "kept", 3, 404, 5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for name, c := range map[string]struct{ sql, says string }{
		"unknown column":    {"SELECT 1 AS order_id, 2 AS other", `"other"`},
		"left out":          {"SELECT 'x' AS skipped", `"skipped"`},
		"not exported":      {"SELECT 1 AS hidden", `"hidden"`},
		"name behind a tag": {"SELECT 'x' AS symbol", `"symbol"`},
		"NULL":              {"SELECT NULL AS order_id", "NULL"},
		"loss":              {"SELECT 1.5 AS order_id", "column 1 (order_id)"},
	} {
		t.Run(name, func(t *testing.T) {
			err := db.QueryRow(t.Context(), c.sql).Scan(&order{})
			wantOnly(t, err, engine.ErrArgs)
			wantText(t, err, c.says, "engine_test.order")
		})
	}
	var embedded struct{ *stamp }
	wantOnly(t, db.QueryRow(t.Context(), "SELECT 'x' AS created_by").Scan(&embedded), engine.ErrArgs)
	// Two columns of one name, as a join gives them: one of the values would be lost without a word.
	err = db.QueryRow(t.Context(), "SELECT 1 AS order_id, 2 AS order_id").Scan(&order{})
	wantOnly(t, err, engine.ErrArgs)
	wantText(t, err, "order_id", "AS")
}

// TestScanKeepsText: strings that were scanned from earlier rows stay what they were while later rows come in, whatever their length.
func TestScanKeepsText(t *testing.T) {
	t.Parallel()
	db := open(t)
	rows, err := db.Query(t.Context(), "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 2999) SELECT i, printf('%.*c%d', i % 41, 'x', i), CASE i % 4 WHEN 0 THEN i WHEN 1 THEN 'a' || i WHEN 2 THEN NULL ELSE i + 0.5 END FROM n")
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		text  string
		mixed any
	}
	var got []row
	for r, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		var i int64
		var one row
		if err := r.Scan(&i, &one.text, &one.mixed); err != nil {
			t.Fatal(err)
		}
		got = append(got, one)
	}
	if len(got) != 3000 {
		t.Fatalf("%d rows", len(got))
	}
	for i, r := range got {
		pad := max(1, i%41) // printf writes the character at least once
		if want := strings.Repeat("x", pad) + strconv.Itoa(i); r.text != want {
			t.Fatalf("row %d is %q, want %q", i, r.text, want)
		}
		var want any
		switch i % 4 {
		case 0:
			want = int64(i)
		case 1:
			want = "a" + strconv.Itoa(i)
		case 3:
			want = float64(i) + 0.5
		}
		if r.mixed != want {
			t.Fatalf("row %d holds %v (%T), want %v", i, r.mixed, r.mixed, want)
		}
	}
}
