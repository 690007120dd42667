package parquet

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/tidegate/engine/core/bulk"
)

const name = "Parquet"

func bad(why string, cause error) error {
	return &bulk.FormatError{Format: name, Why: why, Cause: cause}
}

// guard makes an error of a panic, which is what the library answers to some damaged files.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = bad("the file is damaged", fmt.Errorf("%v", p))
	}
}

// Decoder implements bulk.Format.
func (Format) Decoder(r io.Reader) (_ bulk.Decoder, err error) {
	defer guard(&err)
	at, ok := r.(io.ReaderAt)
	seeker, also := r.(io.Seeker)
	if !ok || !also {
		return nil, bad("what is in the file stands at its end, which a pipe cannot tell: name a file", nil)
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, bad("what is in the file stands at its end, which a pipe cannot tell: name a file", err)
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, bad("its size cannot be found", err)
	}
	file, err := pq.OpenFile(io.NewSectionReader(at, start, end-start), end-start, pq.SkipBloomFilters(true))
	if err != nil {
		return nil, bad("the file cannot be read", err)
	}
	d := &decoder{file: file, rows: make([]pq.Row, 64)}
	for _, f := range file.Schema().Fields() {
		c, err := newColumn(f)
		if err != nil {
			return nil, err
		}
		d.names, d.columns = append(d.names, f.Name()), append(d.columns, c)
	}
	return d, nil
}

// column says how the values of a column are read.
type column struct {
	text     bool
	unsigned bool
	decimal  bool
	scale    int
}

func newColumn(f pq.Field) (c column, err error) {
	refuse := func(what string) error {
		return bad(fmt.Sprintf("column %q is %s, which does not fit a table: convert the file first", f.Name(), what), nil)
	}
	if !f.Leaf() || f.Repeated() {
		return c, refuse("a list or has columns of its own")
	}
	if f.Type().Kind() == pq.Int96 {
		return c, refuse("INT96, a time in a form of old")
	}
	l := f.Type().LogicalType()
	if l == nil {
		return c, nil
	}
	switch v := l.Value.(type) {
	case *format.StringType, *format.EnumType, *format.JsonType:
		c.text = true
	case *format.IntType:
		c.unsigned = !v.IsSigned
	case *format.DecimalType:
		if c.decimal, c.scale = true, int(v.Scale); c.scale < 0 || c.scale > maxScale {
			return c, refuse(fmt.Sprintf("a DECIMAL with a scale of %d", c.scale))
		}
	case *format.Float16Type:
		return c, refuse("FLOAT16")
	}
	return c, nil
}

// maxScale is more than any program writes, and no work to write down.
const maxScale = 1000

type decoder struct {
	file    *pq.File
	names   []string
	columns []column
	group   int // the next one to open
	open    pq.Rows
	ended   bool // nothing follows in open; it is closed when its last rows have been used, because they may point into it
	rows    []pq.Row
	n, i    int // rows that were read ahead, and the next of them
	at      int64
	text    []byte // of decimals
}

// Columns implements bulk.Decoder.
func (d *decoder) Columns() []string { return d.names }

// Total is the number of rows.
func (d *decoder) Total() int64 { return d.file.NumRows() }

// Seek implements bulk.Decoder.
func (d *decoder) Seek(to bulk.Place) (err error) {
	defer guard(&err)
	if d.open != nil {
		_ = d.open.Close() // it was only read
	}
	d.open, d.ended, d.n, d.i, d.at = nil, false, 0, 0, to.Rows
	left := to.Rows
	groups := d.file.RowGroups()
	for d.group = 0; d.group < len(groups); d.group++ {
		if n := groups[d.group].NumRows(); left >= n {
			left -= n
			continue
		}
		d.open = groups[d.group].Rows()
		d.group++
		if err := d.open.SeekToRow(left); err != nil {
			return bad("the place where the earlier import stopped cannot be found again", err)
		}
		return nil
	}
	if left > 0 {
		return bad("the place where the earlier import stopped is behind its end", nil)
	}
	return nil
}

// Next implements bulk.Decoder.
func (d *decoder) Next(rec *bulk.Record) (err error) {
	defer guard(&err)
	if d.i == d.n {
		if err := d.fetch(); err != nil {
			return err
		}
	}
	row := d.rows[d.i]
	d.i++
	d.at++
	rec.Bad, rec.Line, rec.Raw = "", 0, nil
	rec.After = bulk.Place{Offset: d.at, Rows: d.at}
	if len(row) != len(d.columns) {
		return bad(fmt.Sprintf("row %d has %d values, and there are %d columns", d.at, len(row), len(d.columns)), nil)
	}
	rec.Cells, d.text = rec.Cells[:0], d.text[:0]
	for i := range row {
		rec.Cells = append(rec.Cells, d.cell(&d.columns[i], row[i]))
	}
	return nil
}

// fetch reads ahead.
func (d *decoder) fetch() error {
	d.n, d.i = 0, 0
	broken := func(err error) error { return bad(fmt.Sprintf("it cannot be read behind row %d", d.at), err) }
	for {
		if d.ended {
			if err := d.open.Close(); err != nil {
				return broken(err)
			}
			d.open, d.ended = nil, false
		}
		if d.open == nil {
			groups := d.file.RowGroups()
			if d.group >= len(groups) {
				return io.EOF
			}
			d.open = groups[d.group].Rows()
			d.group++
		}
		n, err := d.open.ReadRows(d.rows)
		if err != nil && !errors.Is(err, io.EOF) {
			return broken(err)
		}
		d.ended = err != nil || n == 0
		if d.n = n; n > 0 {
			return nil
		}
	}
}

func (d *decoder) cell(c *column, v pq.Value) bulk.Cell {
	if v.IsNull() {
		return bulk.Cell{Kind: bulk.CellNull}
	}
	if c.decimal {
		return d.decimal(c.scale, v)
	}
	switch v.Kind() {
	case pq.Boolean:
		if v.Boolean() {
			return bulk.Cell{Kind: bulk.CellBool, Int: 1}
		}
		return bulk.Cell{Kind: bulk.CellBool}
	case pq.Int32:
		if c.unsigned {
			return bulk.Cell{Kind: bulk.CellInteger, Int: int64(v.Uint32())}
		}
		return bulk.Cell{Kind: bulk.CellInteger, Int: int64(v.Int32())}
	case pq.Int64:
		if c.unsigned && v.Int64() < 0 {
			return d.number(strconv.AppendUint(nil, v.Uint64(), 10))
		}
		return bulk.Cell{Kind: bulk.CellInteger, Int: v.Int64()}
	case pq.Float:
		return bulk.Cell{Kind: bulk.CellReal, Float: float64(v.Float())}
	case pq.Double:
		return bulk.Cell{Kind: bulk.CellReal, Float: v.Double()}
	}
	kind := bulk.CellBlob
	if c.text {
		kind = bulk.CellText
	}
	return bulk.Cell{Kind: kind, Bytes: v.ByteArray()}
}

// number keeps text until the next row.
func (d *decoder) number(text []byte) bulk.Cell {
	from := len(d.text)
	d.text = append(d.text, text...)
	return bulk.Cell{Kind: bulk.CellNumber, Bytes: d.text[from:len(d.text):len(d.text)]}
}

// decimal writes down an integer with a point in it.
func (d *decoder) decimal(scale int, v pq.Value) bulk.Cell {
	n := new(big.Int)
	switch v.Kind() {
	case pq.Int32:
		n.SetInt64(int64(v.Int32()))
	case pq.Int64:
		n.SetInt64(v.Int64())
	default:
		b := v.ByteArray() // two's complement, most significant byte first
		n.SetBytes(b)
		if len(b) > 0 && b[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	digits := new(big.Int).Abs(n).Append(nil, 10)
	for len(digits) <= scale {
		digits = append([]byte{'0'}, digits...)
	}
	var out []byte
	if n.Sign() < 0 {
		out = append(out, '-')
	}
	whole := len(digits) - scale
	out = append(out, digits[:whole]...)
	if scale > 0 {
		out = append(append(out, '.'), digits[whole:]...)
	}
	return d.number(out)
}
