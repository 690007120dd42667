package bulk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/bulk"
)

// What goes into a column of each kind, how it is stored, and what is refused: nothing changes silently.
func TestConversion(t *testing.T) {
	t.Parallel()
	const refused = "refused"
	db := open(t)
	for _, c := range []struct {
		column, csv string
		csvWant     any
		json        string
		jsonWant    any
	}{
		{"INTEGER", `9223372036854775807`, int64(math.MaxInt64), `9223372036854775807`, int64(math.MaxInt64)},
		{"INTEGER", `-9223372036854775808`, int64(math.MinInt64), `"-9223372036854775808"`, int64(math.MinInt64)},
		{"INTEGER", `9223372036854775808`, refused, `9223372036854775808`, refused},
		{"INTEGER", `1.0`, refused, `1.0`, refused},
		{"INTEGER", `1e3`, refused, `1e3`, refused},
		{"INTEGER", `007`, refused, `"007"`, refused},
		{"INTEGER", `+7`, refused, `"+7"`, refused},
		{"INTEGER", `-0`, refused, `-0`, refused},
		{"INTEGER", ` 7`, refused, `" 7"`, refused},
		{"INTEGER", `"7"`, int64(7), `"7"`, int64(7)},
		{"INTEGER", `abc`, refused, `true`, int64(1)},
		{"INTEGER", `""`, refused, `""`, refused},
		{"INTEGER", ``, nil, `null`, nil},
		{"REAL", `0.1`, 0.1, `0.1`, 0.1},
		{"REAL", `0.10`, 0.1, `0.10`, 0.1},
		{"REAL", `0.10000000000000001`, 0.1, `0.10000000000000001`, 0.1},
		{"REAL", `0.1234567890123456789`, refused, `0.1234567890123456789`, refused},
		{"REAL", `5`, 5.0, `5`, 5.0},
		{"REAL", `9007199254740993`, refused, `9007199254740993`, refused},
		{"REAL", `1e400`, refused, `1e400`, refused},
		{"REAL", `1e-400`, refused, `1e-400`, refused},
		{"REAL", `NaN`, refused, `"NaN"`, refused},
		{"REAL", `inf`, refused, `"inf"`, refused},
		{"REAL", `Infinity`, math.Inf(1), `"-Infinity"`, math.Inf(-1)},
		{"REAL", `.5`, 0.5, `".5"`, 0.5},
		{"REAL", `0x10`, refused, `"0x10"`, refused},
		{"REAL", `1_000`, refused, `"1_000"`, refused},
		{"TEXT", `0.10`, "0.10", `0.10`, "0.10"},
		{"TEXT", `12345678901234567890.123456789`, "12345678901234567890.123456789", `12345678901234567890.123456789`, "12345678901234567890.123456789"},
		{"TEXT", `007`, "007", `"007"`, "007"},
		{"TEXT", `""`, "", `""`, ""},
		{"TEXT", `NULL`, "NULL", `"NULL"`, "NULL"},
		{"TEXT", "\xff", refused, `true`, refused},
		{"TEXT", `"a ""b"" c"`, `a "b" c`, `"\u00e9\ud83d\ude80\u0000\n"`, "é🚀\x00\n"},
		{"TEXT", `a`, "a", `{"a":1}`, refused},
		{"TEXT", `a`, "a", `[1]`, refused},
		{"BLOB", `AP8=`, []byte{0, 255}, `"AP8="`, []byte{0, 255}},
		{"BLOB", `""`, []byte{}, `{"base64":"AP8="}`, []byte{0, 255}},
		{"BLOB", `AP8`, refused, `7`, refused},
		{"BLOB", `AP9=`, refused, `"AP9="`, refused}, // bits that base64 would drop
		{"DECIMAL(10,2)", `0.10`, 0.1, `0.10`, 0.1},
		{"DECIMAL(10,2)", `12`, int64(12), `12`, int64(12)},
		{"DECIMAL(10,2)", `12345678901234567.89`, refused, `12345678901234567.89`, refused},
		{"DECIMAL(10,2)", `007`, refused, `"007"`, refused},
		{"DATE", `2026-11-25`, "2026-11-25", `"2026-11-25"`, "2026-11-25"},
		{"BOOLEAN", `true`, int64(1), `false`, int64(0)},
		{"BOOLEAN", `"true"`, "true", `"true"`, "true"},
		{"", `1`, int64(1), `1`, int64(1)},
		{"", `"1"`, "1", `"1"`, "1"},
		{"", `1.5`, 1.5, `1.5`, 1.5},
		{"", `1.50`, "1.50", `1.50`, 1.5},
		{"", `007`, "007", `"007"`, "007"},
		{"", `x'00ff'`, []byte{0, 255}, `{"base64":"AP8=","more":1}`, refused},
		{"", `"x'00ff'"`, "x'00ff'", `0.1234567890123456789`, refused},
	} {
		db.exec(t, "CREATE TABLE a (n INTEGER PRIMARY KEY, v "+c.column+")")
		for _, f := range []struct {
			format bulk.Format
			text   string
			want   any
		}{
			{bulk.CSV{}, "n,v\n1," + c.csv + "\n", c.csvWant},
			{bulk.JSONLines{}, `{"n":1,"v":` + c.json + "}\n", c.jsonWant},
		} {
			db.exec(t, "DELETE FROM a")
			rep, err := db.into(t, "a", f.text, func(o *bulk.ImportOptions) { o.Format, o.SkipBad, o.Restart = f.format, true, true })
			if err != nil {
				t.Errorf("%s %q: %v", c.column, f.text, err)
				continue
			}
			if f.want == refused {
				if rep.Rejected != 1 || rep.First[0].Column != "v" || rep.First[0].Line < 1 {
					t.Errorf("%s %q: %+v; want it refused for column v", c.column, f.text, rep)
				}
				continue
			}
			if got := db.rows(t, "SELECT v FROM a"); rep.Inserted != 1 || !reflect.DeepEqual(got, [][]any{{f.want}}) {
				t.Errorf("%s %q: stored %#v, want %#v (%+v)", c.column, f.text, got, f.want, rep.First)
			}
		}
		db.exec(t, "DROP TABLE a")
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE a (n INTEGER PRIMARY KEY, px INTEGER)")
	text := "n,px\n1,0.00012345\n2,-1.5\n3,92233720368.54775807\n4,92233720368.54775808\n5,0.000000001\n6,1e-8\n7,\n8,abc\n9,3\n10,1e2\n"
	rep, err := db.into(t, "a", text, func(o *bulk.ImportOptions) { o.Scale, o.SkipBad = map[string]int{"PX": 8}, true })
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{{int64(1), int64(12345)}, {int64(2), int64(-150000000)}, {int64(3), int64(math.MaxInt64)}, {int64(6), int64(1)}, {int64(7), nil},
		{int64(9), int64(300000000)}, {int64(10), int64(10000000000)}}
	if got := db.rows(t, "SELECT * FROM a ORDER BY n"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var lines []int64
	for _, r := range rep.First {
		lines = append(lines, r.Line)
	}
	if !reflect.DeepEqual(lines, []int64{5, 6, 9}) {
		t.Errorf("lines %v were refused, want 5, 6 and 9", lines)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT NOT NULL, qty INTEGER NOT NULL DEFAULT 7, twice INTEGER AS (qty * 2), \"odd \"\" name\" TEXT)"
	for _, c := range []struct {
		text   string
		change func(*bulk.ImportOptions)
		want   [][]any
		err    error
		says   string
	}{
		{text: "name\nx\n", want: [][]any{{int64(1), "x", int64(7), nil}}},
		{text: "NAME,\"odd \"\" name\",Id\nx,y,5\n", want: [][]any{{int64(5), "x", int64(7), "y"}}},
		{text: "\ufeffname\r\nx\r\n", want: [][]any{{int64(1), "x", int64(7), nil}}},
		{text: "x;3\ny;4", change: func(o *bulk.ImportOptions) { o.Format = bulk.CSV{Comma: ';', Columns: []string{"name", "qty"}} },
			want: [][]any{{int64(1), "x", int64(3), nil}, {int64(2), "y", int64(4), nil}}},
		{text: "who,junk\nx,1\n", change: func(o *bulk.ImportOptions) { o.Map = map[string]string{"who": "name", "junk": ""} }, want: [][]any{{int64(1), "x", int64(7), nil}}},
		{text: "name\nx\n\ny\n", change: func(o *bulk.ImportOptions) { o.SkipBad = true }, want: [][]any{{int64(1), "x", int64(7), nil}, {int64(2), "y", int64(7), nil}}},
		{text: "name,qty\nx,1\n\ny,2\n", want: [][]any{{int64(1), "x", int64(1), nil}, {int64(2), "y", int64(2), nil}}},
		{text: `{"name":"x"}` + "\n\n" + `{"qty":2,"name":"y"}` + "\n" + `{"name":"z","id":9}`, change: func(o *bulk.ImportOptions) { o.Format = bulk.JSONLines{} },
			want: [][]any{{int64(1), "x", int64(7), nil}, {int64(2), "y", int64(2), nil}, {int64(9), "z", int64(7), nil}}},
		{text: "id\n1\n", err: bulk.ErrTable, says: `"name" must have a value`},
		{text: "name,colour\nx,red\n", err: bulk.ErrTable, says: `"colour" of the file is none of the table's columns`},
		{text: "name,twice\nx,2\n", err: bulk.ErrTable, says: "computed"},
		{text: "name,name\nx,y\n", err: bulk.ErrTable, says: "two values"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.Map = map[string]string{"who": "name"} }, err: bulk.ErrTable, says: "no such column"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.Map = map[string]string{"name": "who"} }, err: bulk.ErrTable, says: "none of its columns"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.Scale = map[string]int{"name": 2} }, err: bulk.ErrTable, says: "only integers"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.Table = "none" }, err: bulk.ErrTable, says: "no such table"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.Table = "v" }, err: bulk.ErrTable, says: "view"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.Table = "_tg_migration" }, err: bulk.ErrTable, says: "belongs to the engine"},
		{text: "", err: bulk.ErrFormat, says: "header"},
		{text: "na\"me\nx\n", err: bulk.ErrFormat, says: "header"},
		{text: "name\nx\n", change: func(o *bulk.ImportOptions) { o.MaxRejects = 3 }, err: bulk.ErrOptions, says: "skipped"},
	} {
		db := open(t, table, "CREATE VIEW v AS SELECT * FROM a")
		_, err := db.into(t, "a", c.text, c.change)
		if !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: error %v, want %v with %q", c.text, err, c.err, c.says)
		}
		if got := db.rows(t, `SELECT id, name, qty, "odd "" name" FROM a ORDER BY id`); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: stored %v, want %v", c.text, got, c.want)
		}
	}
}

// Rows that the schema refuses do not take others with them, and each is written down once, as it stands in the file.
func TestRejects(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE p (id INTEGER PRIMARY KEY)", "INSERT INTO p VALUES (1)",
		"CREATE TABLE a (id INTEGER PRIMARY KEY, qty INTEGER CHECK (qty > 0), p INTEGER REFERENCES p, late INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED, note TEXT UNIQUE)",
		"CREATE TRIGGER stops BEFORE INSERT ON a WHEN new.note = 'abort' BEGIN SELECT RAISE(ABORT, 'the desk is closed'); END",
		"CREATE TRIGGER kills BEFORE INSERT ON a WHEN new.note = 'rollback' BEGIN SELECT RAISE(ROLLBACK, 'all is lost'); END",
		"CREATE TRIGGER fails AFTER INSERT ON a WHEN new.note = 'fail' BEGIN SELECT RAISE(FAIL, 'half is lost'); END",
		"CREATE TRIGGER hides BEFORE INSERT ON a WHEN new.note = 'ignore' BEGIN SELECT RAISE(IGNORE); END",
		"CREATE TRIGGER computes BEFORE INSERT ON a WHEN new.note = 'json' BEGIN SELECT json_extract('{', '$.a'); END")
	lines := []string{"id,qty,p,late,note"}
	wantReason := map[int64]string{}
	good := 0
	bad := []struct{ line, reason string }{
		{"0,1,1,,secret\"value", "quotation mark"},
		{"1,0,1,,secret", "CHECK"},
		{"1,1,2,,secret", "FOREIGN KEY"},
		{"1,1,1,2,secret", "FOREIGN KEY"},
		{"1,1,1,,abort", "the desk is closed"},
		{"1,1,1,,rollback", "all is lost"},
		{"1,1,1,,fail", "half is lost"},
		{"1,1,1,,ignore", "ignored"},
		{"1,1,1,,json", "malformed JSON"},
		{"secret,1,1,,a", "integer"},
		{"1,1", "2 values"},
		{"10,1,1,,dup", "UNIQUE"},
	}
	next := 10
	add := func(n int) {
		for range n {
			lines = append(lines, fmt.Sprintf("%d,1,1,1,", next))
			next++
			good++
		}
	}
	add(5)
	for i, b := range bad {
		lines = append(lines, b.line)
		wantReason[int64(len(lines))] = b.reason
		if i%2 == 1 {
			add(40 + i)
		}
	}
	add(7)
	text := strings.Join(lines, "\n") + "\n"
	file := rejects(t)
	rep, err := db.into(t, "a", text, func(o *bulk.ImportOptions) { o.SkipBad, o.Rejects, o.RejectsName = true, file, "r" })
	if err != nil {
		t.Fatal(err)
	}
	if rep.Inserted != int64(good) || rep.Rejected != int64(len(bad)) || rep.Rows != int64(good+len(bad)) || !rep.Done || len(rep.First) != 10 {
		t.Errorf("report %+v, want %d good and %d bad", rep, good, len(bad))
	}
	if n := db.count(t, "SELECT count(*) FROM a"); n != int64(good) {
		t.Errorf("%d rows are in the table, want %d", n, good)
	}
	seen := map[int64]bool{}
	for _, line := range strings.Split(strings.TrimSpace(content(t, file)), "\n") {
		var r struct {
			Line, Row      int64
			Reason, Record string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if r.Record != lines[r.Line-1] || r.Row != r.Line-1 {
			t.Errorf("line %d, row %d is written down as %q, want %q", r.Line, r.Row, r.Record, lines[r.Line-1])
		}
		if want := wantReason[r.Line]; want == "" || !strings.Contains(r.Reason, want) {
			t.Errorf("line %d: reason %q, want %q", r.Line, r.Reason, want)
		}
		if strings.Contains(r.Reason, "secret") || seen[r.Line] {
			t.Errorf("line %d is there twice, or its reason holds a value: %q", r.Line, r.Reason)
		}
		seen[r.Line] = true
	}
	if len(seen) != len(bad) {
		t.Errorf("%d rows are written down, want %d", len(seen), len(bad))
	}
}

func TestAbortKeepsWhatCameBefore(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY)")
	text := "id\n1\n2\nx\n4\n1\n"
	rep, err := db.into(t, "a", text, nil)
	var at *bulk.RowError
	if !errors.As(err, &at) || at.Reject.Line != 4 || at.Reject.Column != "id" || !errors.Is(err, bulk.ErrRow) || rep.Done || rep.Inserted != 2 {
		t.Fatalf("error %v, report %+v; want line 4 refused after 2 rows", err, rep)
	}
	rep, err = db.into(t, "a", text, func(o *bulk.ImportOptions) { o.SkipBad, o.MaxRejects = true, 1 })
	if !errors.As(err, &at) || at.Reject.Line != 6 || at.Limit != 1 || rep.Resumed != 2 || rep.Inserted != 3 || rep.Rejected != 1 {
		t.Fatalf("error %v, report %+v; want line 6 refused as one too many, after resuming behind row 2", err, rep)
	}
	rep, err = db.into(t, "a", text, func(o *bulk.ImportOptions) { o.SkipBad = true })
	if err != nil || rep.Resumed != 4 || rep.Inserted != 3 || rep.Rejected != 2 || !rep.Done {
		t.Fatalf("error %v, report %+v", err, rep)
	}
}

func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format     bulk.Format
		text, says string
		line       int64
	}{
		{bulk.CSV{}, "id,s\n1,a\n2,\"open\n3,b\n", "never closed", 3},
		{bulk.CSV{}, "id,s\n1,a\n2,\"" + strings.Repeat("x", 65<<20), "64 MiB", 3},
		{bulk.JSONLines{}, "{\"id\":1,\"s\":\"a\"}\n" + strings.Repeat(" ", 65<<20), "64 MiB", 2},
	} {
		db := open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, s TEXT)")
		_, err := db.into(t, "a", c.text, func(o *bulk.ImportOptions) { o.Format, o.SkipBad = c.format, true })
		var at *bulk.FormatError
		if !errors.As(err, &at) || at.Line != c.line || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.40q…: error %v, want line %d and %q", c.text, err, c.line, c.says)
		}
		if n := db.count(t, "SELECT count(*) FROM a"); n != 1 {
			t.Errorf("%.40q…: %d rows, want the one before", c.text, n)
		}
	}
	db := open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, s TEXT)")
	text := strings.Join([]string{`{"id":1}`, `{"id":2`, `[3]`, `{"id":4}{}`, `{"id":5,"id":6}`, `{"id":01}`, `{"id":7,"s":"\ud800"}`, `{"id":8,"s":"\x"}`, "{\"id\":9,\"s\":\"\xff\"}",
		"{\"id\":10,\"s\":\"a\tb\"}", `{"id":11,"zz":1}`, `{id:12}`, `{"id":13,}`, `{"id":14,"s":` + strings.Repeat("[", 100_000) + `}`, `{"id":15}`}, "\n")
	rep, err := db.into(t, "a", text, func(o *bulk.ImportOptions) { o.Format, o.SkipBad = bulk.JSONLines{}, true })
	if err != nil || rep.Inserted != 2 || rep.Rejected != 13 {
		t.Errorf("%+v, %v; want 2 of 15 rows", rep, err)
	}
}
