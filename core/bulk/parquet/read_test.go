package parquet_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/big"
	"reflect"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/bulk/parquet"
	"github.com/tidegate/engine/core/sqlite"
)

// write makes a file of the rows.
func write(t testing.TB, columns []bulk.Column, rows [][]sqlite.Value) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := parquet.Format{}.Encoder(&out, columns)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := e.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// cells reads a file, from a row on.
func cells(t testing.TB, file []byte, from int64) (names []string, out [][]bulk.Cell) {
	t.Helper()
	d, err := parquet.Format{}.Decoder(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if from > 0 {
		if err := d.Seek(bulk.Place{Rows: from}); err != nil {
			t.Fatal(err)
		}
	}
	var rec bulk.Record
	for {
		err := d.Next(&rec)
		if err == io.EOF {
			return d.Columns(), out
		}
		if err != nil {
			t.Fatal(err)
		}
		var row []bulk.Cell
		for _, c := range rec.Cells {
			c.Bytes = append([]byte{}, c.Bytes...)
			row = append(row, c)
		}
		if int64(len(out))+from+1 != rec.After.Rows {
			t.Fatalf("row %d says that it is row %d", int64(len(out))+from+1, rec.After.Rows)
		}
		out = append(out, row)
	}
}

// Columns keep the order of the query, rows theirs over several groups, and reading can go on anywhere.
func TestOrderAndSeek(t *testing.T) {
	t.Parallel()
	columns := []bulk.Column{bulk.NewColumn("z", "INTEGER"), bulk.NewColumn("a", "TEXT"), bulk.NewColumn("m", "REAL")}
	const n = 230_000 // three row groups
	rows := make([][]sqlite.Value, n)
	for i := range rows {
		rows[i] = []sqlite.Value{{Type: sqlite.Integer, Int: int64(i)}, {Type: sqlite.Text, Bytes: []byte{byte('a' + i%26)}}, {}}
		if i%3 == 0 {
			rows[i][2] = sqlite.Value{Type: sqlite.Float, Float: float64(i) / 3}
		}
	}
	file := write(t, columns, rows)
	for _, from := range []int64{0, 1, 99_999, 100_000, 100_001, 229_999, n} {
		names, got := cells(t, file, from)
		if !reflect.DeepEqual(names, []string{"z", "a", "m"}) || int64(len(got)) != n-from {
			t.Fatalf("from %d: columns %v, %d rows", from, names, len(got))
		}
		for i, row := range got {
			k := int64(i) + from
			real := row[2].Kind == bulk.CellReal && row[2].Float == float64(k)/3
			if row[0].Int != k || string(row[1].Bytes) != string(rune('a'+k%26)) || real != (k%3 == 0) {
				t.Fatalf("from %d: row %d is %+v", from, k, row)
			}
		}
	}
	d, err := parquet.Format{}.Decoder(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Seek(bulk.Place{Rows: n + 1}); !errors.Is(err, bulk.ErrFormat) {
		t.Errorf("behind the end: %v", err)
	}
}

// What other programs write: types that SQLite does not have.
func TestForeignTypes(t *testing.T) {
	t.Parallel()
	type row struct {
		Flag  bool    `parquet:"flag"`
		Small int32   `parquet:"small"`
		Big   uint64  `parquet:"big"`
		Price int64   `parquet:"price,decimal(4:18)"`
		Half  float32 `parquet:"half"`
		Raw   []byte  `parquet:"raw"`
		Name  string  `parquet:"name"`
		Day   int32   `parquet:"day,date"`
		ID    [16]byte
	}
	var out bytes.Buffer
	w := pq.NewGenericWriter[row](&out)
	if _, err := w.Write([]row{{Flag: true, Small: -7, Big: math.MaxUint64, Price: -12345, Half: 0.5, Raw: []byte{0, 1}, Name: "n", Day: 19000, ID: [16]byte{1}}, {Price: 5}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	names, got := cells(t, out.Bytes(), 0)
	want := map[string]bulk.Cell{
		"flag": {Kind: bulk.CellBool, Int: 1}, "small": {Kind: bulk.CellInteger, Int: -7}, "big": {Kind: bulk.CellNumber, Bytes: []byte("18446744073709551615")},
		"price": {Kind: bulk.CellNumber, Bytes: []byte("-1.2345")}, "half": {Kind: bulk.CellReal, Float: 0.5}, "raw": {Kind: bulk.CellBlob, Bytes: []byte{0, 1}},
		"name": {Kind: bulk.CellText, Bytes: []byte("n")}, "day": {Kind: bulk.CellInteger, Int: 19000},
		"ID": {Kind: bulk.CellBlob, Bytes: append([]byte{1}, make([]byte, 15)...)},
	}
	if len(names) != len(want) || len(got) != 2 {
		t.Fatalf("columns %v, %d rows", names, len(got))
	}
	for i, name := range names {
		w := want[name]
		w.Bytes = append([]byte{}, w.Bytes...)
		if !reflect.DeepEqual(got[0][i], w) {
			t.Errorf("%s: %+v, want %+v", name, got[0][i], w)
		}
		if name == "price" && string(got[1][i].Bytes) != "0.0005" {
			t.Errorf("a small decimal became %q", got[1][i].Bytes)
		}
	}
	type nested struct {
		A []int64 `parquet:"a,list"`
	}
	out.Reset()
	n := pq.NewGenericWriter[nested](&out)
	if _, err := n.Write([]nested{{A: []int64{1}}}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := (parquet.Format{}).Decoder(bytes.NewReader(out.Bytes())); !errors.Is(err, bulk.ErrFormat) {
		t.Errorf("a file of lists: %v", err)
	}
}

// The bounds in the file's index are bounds: readers skip pages by them.
func TestBoundsOfBlobs(t *testing.T) {
	t.Parallel()
	largest := append(bytes.Repeat([]byte{0xff}, 200), 1)
	rows := [][]sqlite.Value{{{Type: sqlite.Blob, Bytes: largest}}, {{Type: sqlite.Blob, Bytes: append(bytes.Repeat([]byte{0xfe}, 100), 1)}}, {{}}, {{Type: sqlite.Blob, Bytes: []byte{}}}}
	for _, some := range [][][]sqlite.Value{rows, rows[1:], rows[2:3]} {
		file := write(t, []bulk.Column{bulk.NewColumn("b", "BLOB")}, some)
		f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		index := f.ColumnIndexes()[0]
		for _, row := range some {
			if b := row[0].Bytes; row[0].Type == sqlite.Blob && (bytes.Compare(index.MaxValues[0], b) < 0 || bytes.Compare(index.MinValues[0], b) > 0) {
				t.Errorf("a blob of %d bytes is outside of its bounds (%d and %d bytes)", len(b), len(index.MinValues[0]), len(index.MaxValues[0]))
			}
		}
	}
}

// A damaged file is an error, whatever is damaged.
func FuzzDecoder(f *testing.F) {
	file := write(f, []bulk.Column{bulk.NewColumn("i", "INTEGER"), bulk.NewColumn("s", "TEXT"), bulk.NewColumn("b", "BLOB"), bulk.NewColumn("r", "REAL")}, [][]sqlite.Value{
		{{Type: sqlite.Integer, Int: 1}, {Type: sqlite.Text, Bytes: []byte("text")}, {Type: sqlite.Blob, Bytes: []byte{0}}, {Type: sqlite.Float, Float: 1}}, {{}, {}, {}, {}}})
	f.Add(file, 0, byte(0))
	f.Add(file, len(file)/2, byte(0xff))
	f.Add(file, len(file)-20, byte(1))
	f.Add([]byte("PAR1PAR1"), 0, byte(0))
	f.Fuzz(func(t *testing.T, data []byte, at int, flip byte) {
		if len(data) > 0 {
			data = bytes.Clone(data)
			data[uint(at)%uint(len(data))] ^= flip
		}
		d, err := parquet.Format{}.Decoder(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, bulk.ErrFormat) {
				t.Fatalf("%v", err)
			}
			return
		}
		var rec bulk.Record
		for range 100 {
			err := d.Next(&rec)
			if err == io.EOF {
				return
			}
			if err != nil {
				if !errors.Is(err, bulk.ErrFormat) {
					t.Fatalf("%v", err)
				}
				return
			}
			if len(rec.Cells) != len(d.Columns()) {
				t.Fatalf("%d cells, %d columns", len(rec.Cells), len(d.Columns()))
			}
		}
	})
}

// Wide decimals are exact.
func TestWideDecimals(t *testing.T) {
	t.Parallel()
	schema := pq.NewSchema("rows", pq.Group{"d": pq.Decimal(10, 38, pq.FixedLenByteArrayType(16))})
	var out bytes.Buffer
	w := pq.NewWriter(&out, schema)
	want := []string{"-1234567890123456789012345678.0123456789", "0.0000000001", "1234567890123456789012345678.9012345678"}
	for _, s := range want {
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatal(s)
		}
		n := new(big.Int).Div(new(big.Int).Mul(r.Num(), new(big.Int).Exp(big.NewInt(10), big.NewInt(10), nil)), r.Denom())
		if n.Sign() < 0 {
			n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
		}
		if _, err := w.WriteRows([]pq.Row{{pq.FixedLenByteArrayValue(n.FillBytes(make([]byte, 16))).Level(0, 0, 0)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, got := cells(t, out.Bytes(), 0)
	for i, s := range want {
		if string(got[i][0].Bytes) != s {
			t.Errorf("%s came back as %s", s, got[i][0].Bytes)
		}
	}
}

// A scale that no program writes is refused ahead of the first row: a negative one would be read as none, and a huge one costs its square.
func TestScalesThatNobodyWrites(t *testing.T) {
	t.Parallel()
	for scale, fits := range map[int]bool{0: true, 38: true, -2: false, 1 << 30: false} {
		var out bytes.Buffer
		w := pq.NewWriter(&out, pq.NewSchema("rows", pq.Group{"d": pq.Decimal(scale, 18, pq.Int64Type)}))
		if _, err := w.WriteRows([]pq.Row{{pq.Int64Value(12).Level(0, 0, 0)}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := (parquet.Format{}).Decoder(bytes.NewReader(out.Bytes())); (err == nil) != fits || err != nil && !errors.Is(err, bulk.ErrFormat) {
			t.Errorf("scale %d: got %v", scale, err)
		}
	}
}
