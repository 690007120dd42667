package abi

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Rows is a view of an encoded batch. It points into the bytes that it was made of, and so do the texts and blobs that it hands out: they are
// valid as long as those bytes stay. Reading out of range yields NULL, never a panic. It is safe for concurrent use while nobody writes the bytes.
type Rows struct {
	b      []byte
	cells  []byte
	op     Op
	images int
	cols   int
	rows   int
	schema uint32
}

// Image selects one of the images of a row.
type Image int

// The images of a row. The one image of an OpDelete is New: the row that goes.
const (
	New Image = iota
	Old
)

// Open reads the header of a batch and checks it. Cells are checked when they are read, which is what a guest wants, whose host is not its enemy;
// Decode checks them all.
//
// # Errors
//
// An *Error that names the field.
func Open(b []byte) (Rows, error) {
	if len(b) < headerSize || string(b[:4]) != magic {
		return Rows{}, &Error{"batch: magic", 0}
	}
	le := binary.LittleEndian
	header, cells, heap, total := int64(le.Uint16(b[4:])), int64(le.Uint32(b[12:])), int64(le.Uint32(b[16:])), int64(le.Uint32(b[20:]))
	r := Rows{op: Op(le.Uint16(b[24:])), images: int(le.Uint16(b[26:])), cols: int(le.Uint16(b[6:])), rows: int(le.Uint32(b[8:])), schema: le.Uint32(b[28:])}
	switch {
	case header < headerSize || header > total || header%8 != 0:
		return Rows{}, &Error{"batch: header_len", 4}
	case total != int64(len(b)) || total > MaxBatch:
		return Rows{}, &Error{"batch: total", 20}
	case r.op < OpInsert || r.op > OpNotify:
		return Rows{}, &Error{"batch: op", 24}
	case r.images != r.op.Images():
		return Rows{}, &Error{"batch: images", 26}
	case r.cols < 1 || r.cols > MaxColumns:
		return Rows{}, &Error{"batch: ncols", 6}
	case cells < header || cells > total || cells%8 != 0:
		return Rows{}, &Error{"batch: cells_off", 12}
	case heap < header || heap > total:
		return Rows{}, &Error{"batch: heap_off", 16}
	}
	size := int64(uint32(r.rows)) * int64(r.images*r.cols*cellSize) // at most 2^32 × 64,000
	if size > total-cells {
		return Rows{}, &Error{"batch: nrows", 8}
	}
	r.b, r.cells = b, b[cells:cells+size]
	return r, nil
}

// Decode is Open with a check of every cell.
//
// # Errors
//
// An *Error that names the field and the offset of the cell.
func Decode(b []byte) (Rows, error) {
	r, err := Open(b)
	if err != nil {
		return r, err
	}
	for off := 0; off < len(r.cells); off += cellSize {
		c := r.cells[off : off+cellSize : off+cellSize]
		value, n := binary.LittleEndian.Uint64(c), binary.LittleEndian.Uint32(c[8:])
		switch t := Type(c[12]); t {
		case Integer, Float, Null:
			if n != 0 {
				return Rows{}, &Error{"batch: len of a cell", off}
			}
		case Text, Blob:
			if !r.inside(value, n) {
				return Rows{}, &Error{"batch: bytes of a cell", off}
			}
		default:
			return Rows{}, &Error{"batch: type of a cell", off}
		}
	}
	return r, nil
}

func (r *Rows) inside(value uint64, n uint32) bool {
	total := uint64(len(r.b))
	return value >= headerSize && value <= total && uint64(n) <= total-value
}

// Op is what happened to the rows.
func (r *Rows) Op() Op { return r.op }

// Schema is the number of the schema in the configuration document.
func (r *Rows) Schema() uint32 { return r.schema }

// Partial reports, of the answer of a lookup, that the query had more rows than the manifest's max_rows.
func (r *Rows) Partial() bool { return r.schema == partial }

// Len is the number of rows.
func (r *Rows) Len() int { return r.rows }

// Columns is the number of columns of an image.
func (r *Rows) Columns() int { return r.cols }

// Images is the number of images of a row.
func (r *Rows) Images() int { return r.images }

// Cell returns a cell; NULL where there is none.
func (r *Rows) Cell(row int, image Image, col int) Cell {
	if uint(row) >= uint(r.rows) || uint(image) >= uint(r.images) || uint(col) >= uint(r.cols) {
		return Cell{kind: Null}
	}
	c := r.cells[((row*r.images+int(image))*r.cols+col)*cellSize:]
	c = c[:cellSize:cellSize]
	value, t := load64(c), Type(c[12])
	switch t {
	case Integer, Float:
		return Cell{bits: value, kind: t}
	case Text, Blob:
		if n := load32(c[8:]); r.inside(value, n) {
			return Cell{bytes: r.b[value : value+uint64(n) : value+uint64(n)], kind: t}
		}
	}
	return Cell{kind: Null}
}

// Int returns an integer, and false where there is none or a value of another type. It does less than Cell, which a guest feels.
func (r *Rows) Int(row int, image Image, col int) (int64, bool) {
	if uint(row) >= uint(r.rows) || uint(image) >= uint(r.images) || uint(col) >= uint(r.cols) {
		return 0, false
	}
	c := r.cells[((row*r.images+int(image))*r.cols+col)*cellSize:]
	c = c[:cellSize:cellSize]
	if Type(c[12]) != Integer {
		return 0, false
	}
	return int64(load64(c)), true
}

// Cell is one value. The zero Cell is a NULL.
type Cell struct {
	bits  uint64
	bytes []byte
	kind  Type
}

// Type is the storage class of the value.
func (c Cell) Type() Type {
	if c.kind == 0 {
		return Null
	}
	return c.kind
}

// IsNull reports whether the value is NULL.
func (c Cell) IsNull() bool { return c.kind == Null || c.kind == 0 }

// Int is the value of an Integer; 0 for other types.
func (c Cell) Int() int64 {
	if c.kind != Integer {
		return 0
	}
	return int64(c.bits)
}

// Float is the value of a Float, or of an Integer as a float; 0 for other types.
func (c Cell) Float() float64 {
	switch c.kind {
	case Float:
		return math.Float64frombits(c.bits)
	case Integer:
		return float64(int64(c.bits))
	}
	return 0
}

// Bytes are the bytes of a Text or Blob, not to be written; nil for other types.
func (c Cell) Bytes() []byte { return c.bytes }

// Text is the text of a Text or Blob without a copy: valid as long as the batch. "" for other types.
func (c Cell) Text() string { return unsafe.String(unsafe.SliceData(c.bytes), len(c.bytes)) }
