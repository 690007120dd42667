package bulk_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/bulk/parquet"
	"github.com/tidegate/engine/internal/shared"
)

// recording is the text of a file of real market data, which lies beside some checkouts.
func recording(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(shared.Path(t, "data", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Prices of a real market, with more digits than a float keeps, come out as they went in, by way of every format.
func TestRecordedBars(t *testing.T) {
	t.Parallel()
	text := recording(t, "btc-perp-1m.csv.gz")
	const create = " (ts TEXT PRIMARY KEY, open INTEGER, high INTEGER, low INTEGER, close INTEGER, volume TEXT, CHECK (low <= high)) STRICT, WITHOUT ROWID"
	db := open(t, "CREATE TABLE bars"+create)
	rep, err := db.into(t, "bars", text, func(o *bulk.ImportOptions) {
		o.Map, o.Scale = map[string]string{"timestamp": "ts"}, map[string]int{"open": 8, "high": 8, "low": 8, "close": 8}
	})
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if err != nil || rep.Inserted != int64(len(lines)-1) {
		t.Fatalf("%v, %+v, %d lines", err, rep, len(lines))
	}
	unit := big.NewRat(100_000_000, 1)
	for i, row := range db.rows(t, "SELECT * FROM bars ORDER BY ts") {
		want := strings.Split(strings.TrimSpace(lines[i+1]), ",")
		for k := 1; k <= 4; k++ {
			px, ok := new(big.Rat).SetString(want[k])
			if !ok || px.Mul(px, unit).Cmp(new(big.Rat).SetInt64(row[k].(int64))) != 0 {
				t.Fatalf("line %d: price %s became %d", i+2, want[k], row[k])
			}
		}
		if row[0] != want[0] || row[5] != want[5] {
			t.Fatalf("line %d: %s came out as %v", i+2, lines[i+1], row)
		}
	}
	i := 0
	for name, format := range formats() {
		i++
		copyOf := fmt.Sprintf("copy%d", i)
		db.exec(t, "CREATE TABLE "+copyOf+create)
		if _, err := db.into(t, copyOf, db.export(t, bulk.ExportOptions{Table: "bars", Format: format}), func(o *bulk.ImportOptions) { o.Format = format }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := db.count(t, "SELECT count(*) FROM (SELECT * FROM bars EXCEPT SELECT * FROM "+copyOf+")"); n != 0 {
			t.Errorf("%s: %d bars differ", name, n)
		}
	}
	t.Logf("%d bars in %v and %d transactions", rep.Inserted, rep.Took, rep.Chunks)
}

// Trades as JSON, with prices as numbers: as text they keep every digit that was written.
func TestRecordedTrades(t *testing.T) {
	t.Parallel()
	var trades [][]json.RawMessage
	if err := json.Unmarshal([]byte(recording(t, "xrp-eth-trades.json.gz")), &trades); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, tr := range trades {
		fmt.Fprintf(&text, `{"ts":%s,"id":%s,"x":%s,"side":%s,"px":%s,"qty":%s,"cost":%s}`+"\n", tr[0], tr[1], tr[2], tr[3], tr[4], tr[5], tr[6])
	}
	db := open(t, "CREATE TABLE trades (ts INTEGER, id INTEGER PRIMARY KEY, side TEXT, px TEXT, qty INTEGER, cost TEXT) STRICT")
	rep, err := db.into(t, "trades", text.String(), func(o *bulk.ImportOptions) {
		o.Format, o.Map, o.Scale = bulk.JSONLines{}, map[string]string{"x": ""}, map[string]int{"qty": 8}
	})
	if err != nil || rep.Inserted != int64(len(trades)) {
		t.Fatalf("%v, %+v, %d trades", err, rep, len(trades))
	}
	for i, row := range db.rows(t, "SELECT px, cost FROM trades ORDER BY rowid") {
		if row[0] != string(trades[i][4]) || row[1] != string(trades[i][6]) {
			t.Fatalf("trade %d: %s and %s came out as %v", i, trades[i][4], trades[i][6], row)
		}
	}
}

// odd is a table of values that programs disagree about.
func odd(t *testing.T) (db *store, dir string) {
	t.Helper()
	db = open(t, "CREATE TABLE a (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT)")
	for n, s := range []any{"plain", "a,b", `say "hi"`, "line\nfeed", "grün 🚀", " pad ", "007", "'", "carriage\r\nreturn"} {
		db.exec(t, "INSERT INTO a VALUES (?, ?, ?, ?)", int64(n), int64(9007199254740993)+int64(n), float64(n)/3, s)
	}
	dir = t.TempDir()
	for name, format := range map[string]bulk.Format{"a.csv": bulk.CSV{}, "a.jsonl": bulk.JSONLines{}, "a.parquet": parquet.Format{}} {
		if err := bulk.WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := bulk.Export(t.Context(), db, w, bulk.ExportOptions{Table: "a", Format: format})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return db, dir
}

// The shell of SQLite reads our CSV, and we read its.
func TestShellOfSQLite(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("the program sqlite3 is not installed")
	}
	db, dir := odd(t)
	other := filepath.Join(dir, "other.db")
	run := func(commands ...string) string {
		c := exec.Command(shell, append([]string{"-batch", other}, commands...)...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", commands, err, out)
		}
		return string(out)
	}
	run("CREATE TABLE a (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT)", ".mode csv", ".import --skip 1 a.csv a")
	back := openAt(t, other)
	compare(t, "read by the shell", back.rows(t, "SELECT * FROM a ORDER BY id"), db.rows(t, "SELECT * FROM a ORDER BY id"))
	text := run(".mode csv", ".headers on", "SELECT id, i, s FROM a ORDER BY id")
	db.exec(t, "CREATE TABLE b (id INTEGER PRIMARY KEY, i INTEGER, s TEXT)")
	if _, err := db.into(t, "b", text, nil); err != nil {
		t.Fatalf("the shell's CSV: %v\n%s", err, text)
	}
	compare(t, "written by the shell", db.rows(t, "SELECT * FROM b ORDER BY id"), db.rows(t, "SELECT id, i, s FROM a ORDER BY id"))
}

// Python's csv and json read our files, and pyarrow or duckdb the Parquet file where one of them is installed.
func TestPython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	db, dir := odd(t)
	const program = `
import csv, json, sys
rows = [[int(r["id"]), int(r["i"]), float(r["r"]), r["s"]] for r in csv.DictReader(open("a.csv", newline="", encoding="utf-8"))]
lines = [[r["id"], r["i"], r["r"], r["s"]] for r in map(json.loads, open("a.jsonl", newline="\n", encoding="utf-8"))]
table = None
try:
    import pyarrow.parquet
    table = [list(r.values()) for r in pyarrow.parquet.read_table("a.parquet").to_pylist()]
except ImportError:
    try:
        import duckdb
        table = [list(r) for r in duckdb.sql("SELECT * FROM 'a.parquet'").fetchall()]
    except ImportError:
        pass
json.dump({"csv": rows, "jsonl": lines, "parquet": table}, sys.stdout)
`
	c := exec.Command(python, "-c", program)
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		t.Fatalf("python: %v", err)
	}
	var raw map[string][][]json.RawMessage
	if err := json.Unmarshal(out, &raw); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	want := db.rows(t, "SELECT * FROM a ORDER BY id")
	for name, rows := range raw {
		if rows == nil {
			t.Logf("%s: neither pyarrow nor duckdb is installed", name)
			continue
		}
		var read [][]any
		for _, r := range rows {
			var id, i int64
			var f float64
			var s string
			for k, to := range []any{&id, &i, &f, &s} {
				if err := json.Unmarshal(r[k], to); err != nil {
					t.Fatalf("%s: %s: %v", name, r[k], err)
				}
			}
			read = append(read, []any{id, i, f, s})
		}
		if !reflect.DeepEqual(read, want) {
			t.Errorf("%s: python reads %v, want %v", name, read, want)
		}
	}
}
