package parquet

import (
	"fmt"
	"io"
	"math"
	"reflect"

	pq "github.com/parquet-go/parquet-go"

	"github.com/tidegate/engine/core/bulk"
	"github.com/tidegate/engine/core/sqlite"
)

// Format is Parquet, with zstd. Integers are INT64, REALs DOUBLE, text STRING and blobs BYTE_ARRAY, all optional. Every column
// has one type: export looks at all values of the columns whose declared type does not tell which.
//
// Import wants a file, not a pipe: what is in a Parquet file stands at its end. DECIMAL becomes the decimal that it is;
// dates and times become the number that the file holds.
type Format struct{}

// Name implements bulk.Format.
func (Format) Name() string { return "parquet" }

// Census implements bulk.Censor.
func (Format) Census(k bulk.Kind) bool { return k == bulk.Any || k == bulk.Numeric }

// A row group ends with the first of these. It is held in memory until then.
const (
	groupRows  = 100_000
	groupBytes = 32 << 20
)

// Encoder implements bulk.Format.
func (Format) Encoder(w io.Writer, columns []bulk.Column) (bulk.Encoder, error) {
	root := ordered{Group: pq.Group{}}
	for _, c := range columns {
		if _, twice := root.Group[c.Name]; twice {
			return nil, &bulk.OptionsError{Why: fmt.Sprintf("two columns are named %q, and a Parquet file has each name once: rename one with AS", c.Name)}
		}
		node := pq.Optional(leaf(c.Kind))
		root.Group[c.Name] = node
		root.fields = append(root.fields, field{node, c.Name})
	}
	schema := pq.NewSchema("rows", root)
	return &encoder{columns: columns, w: pq.NewWriter(w, schema, pq.Compression(&pq.Zstd), pq.DictionaryMaxBytes(1<<20),
		pq.CreatedBy("tidegate", "1", ""))}, nil
}

// ordered is a schema whose columns stand in the order of the query; that of the library sorts them by name.
type ordered struct {
	pq.Group
	fields []pq.Field
}

// Fields implements the library's Node.
func (o ordered) Fields() []pq.Field { return o.fields }

type field struct {
	pq.Node
	name string
}

// Name implements the library's Field.
func (f field) Name() string { return f.name }

// Value implements the library's Field.
func (f field) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(f.name))
}

func leaf(k bulk.Kind) pq.Node {
	switch k {
	case bulk.Integer:
		return pq.Encoded(pq.Leaf(pq.Int64Type), &pq.DeltaBinaryPacked)
	case bulk.Real:
		return pq.Leaf(pq.DoubleType)
	case bulk.Blob:
		return pq.Leaf(blobType{pq.ByteArrayType})
	}
	return pq.Encoded(pq.String(), &pq.RLEDictionary)
}

// blobType writes bounds that hold. The library cuts them to 16 bytes and has no larger value for a prefix of 0xFF; what is
// greater than its bound is not found by readers that skip pages. Leaving the bounds out would write empty ones.
type blobType struct{ pq.Type }

// NewColumnIndexer implements the library's Type.
func (t blobType) NewColumnIndexer(int) pq.ColumnIndexer {
	const whole = 1 << 30
	return boundIndexer{t.Type.NewColumnIndexer(whole)}
}

type boundIndexer struct{ pq.ColumnIndexer }

// boundBytes is how much of a blob its bounds keep.
const boundBytes = 64

// IndexPage implements the library's ColumnIndexer.
func (i boundIndexer) IndexPage(values, nulls int64, low, high pq.Value) {
	if !low.IsNull() {
		b := low.ByteArray()
		low = pq.ByteArrayValue(b[:min(len(b), boundBytes)])
	}
	if !high.IsNull() {
		high = pq.ByteArrayValue(above(high.ByteArray()))
	}
	i.ColumnIndexer.IndexPage(values, nulls, low, high)
}

// above is a short value that is not less than b: its prefix plus one, or b itself where the prefix is the largest there is.
func above(b []byte) []byte {
	if len(b) <= boundBytes {
		return b
	}
	cut := append([]byte{}, b[:boundBytes]...)
	for k := len(cut) - 1; k >= 0; k-- {
		if cut[k]++; cut[k] != 0 {
			return cut
		}
	}
	return b
}

type encoder struct {
	columns []bulk.Column
	w       *pq.Writer
	row     pq.Row
	rows    int64 // of the open row group
	size    int64
}

// Row implements bulk.Encoder.
func (e *encoder) Row(row []sqlite.Value) error {
	e.row = e.row[:0]
	for i := range row {
		v, why := value(e.columns[i].Kind, &row[i])
		if why != "" {
			return &bulk.ValueError{Column: e.columns[i].Name, Why: why}
		}
		present := 1
		if v.IsNull() {
			present = 0
		}
		e.row = append(e.row, v.Level(0, present, i))
		e.size += 8 + int64(len(row[i].Bytes))
	}
	if _, err := e.w.WriteRows([]pq.Row{e.row}); err != nil {
		return err
	}
	if e.rows++; e.rows < groupRows && e.size < groupBytes {
		return nil
	}
	e.rows, e.size = 0, 0
	return e.w.Flush()
}

// Close implements bulk.Encoder.
func (e *encoder) Close() error { return e.w.Close() }

// value makes a value one of the column's type.
func value(k bulk.Kind, v *sqlite.Value) (out pq.Value, why string) {
	switch {
	case v.Type == sqlite.Null:
		return pq.NullValue(), ""
	case v.Type == sqlite.Integer && k == bulk.Integer:
		return pq.Int64Value(v.Int), ""
	case v.Type == sqlite.Float && k == bulk.Real:
		return pq.DoubleValue(v.Float), ""
	case v.Type == sqlite.Integer && k == bulk.Real && v.Int != math.MaxInt64 && int64(float64(v.Int)) == v.Int: // whose float is beyond all integers, and may come back as it
		return pq.DoubleValue(float64(v.Int)), ""
	case v.Type == sqlite.Text && k == bulk.Text, v.Type == sqlite.Blob && k == bulk.Blob:
		return pq.ByteArrayValue(v.Bytes), ""
	}
	return out, fmt.Sprintf("it is %s and its column is declared %s; a column of a Parquet file has one type: choose one with CAST in a query", v.Type, k)
}
