package abi

import (
	"encoding/binary"
	"math"
)

// Layout of a batch; doc.go says what the fields mean.
const (
	magic      = "TGB1"
	headerSize = 32
	cellSize   = 16
	partial    = 1 // schema_id of an answer that was cut
)

// Op says what happened to the rows of a batch.
type Op uint16

// What can happen to rows.
const (
	OpInsert Op = 1 + iota
	OpUpdate
	OpDelete
	OpScan   // stored rows, for retention and replay
	OpNotify // alerts, for sinks
)

// String is the name that manifests use.
func (o Op) String() string {
	switch o {
	case OpInsert:
		return "insert"
	case OpUpdate:
		return "update"
	case OpDelete:
		return "delete"
	case OpScan:
		return "scan"
	case OpNotify:
		return "notify"
	}
	return "unknown"
}

// Images is how many images each row has: 2 for OpUpdate, the new one first, and 1 for the others.
func (o Op) Images() int {
	if o == OpUpdate {
		return 2
	}
	return 1
}

// Type is the storage class of a cell.
type Type uint8

// The storage classes.
const (
	Integer Type = 1 + iota
	Float
	Text
	Blob
	Null
)

// String is the name of the storage class.
func (t Type) String() string {
	switch t {
	case Integer:
		return "integer"
	case Float:
		return "float"
	case Text:
		return "text"
	case Blob:
		return "blob"
	case Null:
		return "null"
	}
	return "unknown"
}

// Batch collects cells and writes them in the layout of the ABI. Reset it, append the cells row by row (of OpUpdate first the new image, then the
// old one), then Encode. Once its buffers have grown, nothing of it allocates. The zero value is a batch of no columns: Reset it first. It belongs to
// one goroutine.
type Batch struct {
	op     Op
	schema uint32
	cols   int
	heap   []byte // text and blobs; they lie directly behind the header, so that an offset is known when its cell is appended
	cells  []byte
}

// Reset empties the batch and says what comes: what happened, the number of the schema, the columns of an image.
func (b *Batch) Reset(op Op, schema uint32, cols int) {
	b.op, b.schema, b.cols = op, schema, cols
	b.heap, b.cells = b.heap[:0], b.cells[:0]
}

func (b *Batch) cell(value uint64, n int, t Type) {
	b.cells = append(b.cells, byte(value), byte(value>>8), byte(value>>16), byte(value>>24), byte(value>>32), byte(value>>40), byte(value>>48), byte(value>>56),
		byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(t), 0, 0, 0)
}

// Int appends an integer.
func (b *Batch) Int(v int64) { b.cell(uint64(v), 0, Integer) }

// Float appends a float.
func (b *Batch) Float(v float64) { b.cell(math.Float64bits(v), 0, Float) }

// Null appends a NULL.
func (b *Batch) Null() { b.cell(0, 0, Null) }

// Text appends a text, which it copies.
func (b *Batch) Text(v string) {
	b.cell(uint64(headerSize+len(b.heap)), len(v), Text)
	b.heap = append(b.heap, v...)
}

// TextBytes appends a text that is at hand as bytes, which it copies.
func (b *Batch) TextBytes(v []byte) {
	b.cell(uint64(headerSize+len(b.heap)), len(v), Text)
	b.heap = append(b.heap, v...)
}

// Blob appends a blob, which it copies.
func (b *Batch) Blob(v []byte) {
	b.cell(uint64(headerSize+len(b.heap)), len(v), Blob)
	b.heap = append(b.heap, v...)
}

// SetPartial says of the answer of a lookup that the query had more rows.
func (b *Batch) SetPartial() { b.schema = partial }

// Op is what Reset was told.
func (b *Batch) Op() Op { return b.op }

// Schema is the number that Reset was told.
func (b *Batch) Schema() uint32 { return b.schema }

// Columns is the number of columns of an image.
func (b *Batch) Columns() int { return b.cols }

// Rows is the number of complete rows.
func (b *Batch) Rows() int {
	per := b.cols * b.op.Images() * cellSize
	if per <= 0 {
		return 0
	}
	return len(b.cells) / per
}

// Size is how many bytes Encode writes.
func (b *Batch) Size() int { return align(headerSize+len(b.heap)) + len(b.cells) }

func align(n int) int { return (n + 7) &^ 7 }

// Check says what keeps the batch from being encoded: no columns or too many, a row that is not complete, more bytes than a batch may have.
func (b *Batch) Check() error {
	switch per := b.cols * b.op.Images() * cellSize; {
	case b.op < OpInsert || b.op > OpNotify:
		return &Error{"batch: op", 24}
	case b.cols < 1 || b.cols > MaxColumns:
		return &Error{"batch: number of columns", 6}
	case len(b.cells)%per != 0:
		return &Error{"batch: the last row is not complete", headerSize}
	case b.Size() > MaxBatch:
		return &Error{"batch: larger than MaxBatch", 20}
	}
	return nil
}

// Encode writes the batch to the beginning of dst, which must hold Size bytes, and returns how many it wrote.
//
// # Errors
//
// An *Error where Check has one, or where dst is too short; nothing is written then.
func (b *Batch) Encode(dst []byte) (int, error) {
	if err := b.Check(); err != nil {
		return 0, err
	}
	size := b.Size()
	if len(dst) < size {
		return 0, &Error{"batch: the destination is too short", size}
	}
	dst = dst[:size]
	cells := size - len(b.cells)
	copy(dst, magic)
	le := binary.LittleEndian
	le.PutUint16(dst[4:], headerSize)
	le.PutUint16(dst[6:], uint16(b.cols))
	le.PutUint32(dst[8:], uint32(b.Rows()))
	le.PutUint32(dst[12:], uint32(cells))
	le.PutUint32(dst[16:], headerSize)
	le.PutUint32(dst[20:], uint32(size))
	le.PutUint16(dst[24:], uint16(b.op))
	le.PutUint16(dst[26:], uint16(b.op.Images()))
	le.PutUint32(dst[28:], b.schema)
	n := headerSize + copy(dst[headerSize:], b.heap)
	clear(dst[n:cells]) // up to seven bytes, so that the same rows are always the same bytes
	copy(dst[cells:], b.cells)
	return size, nil
}

// Append appends the encoded batch to dst.
func (b *Batch) Append(dst []byte) ([]byte, error) {
	n := len(dst)
	dst = append(dst, make([]byte, b.Size())...)
	if _, err := b.Encode(dst[n:]); err != nil {
		return dst[:n], err
	}
	return dst, nil
}

// Error says what is wrong with the bytes of a batch or a result block, and where.
type Error struct {
	// What names the field and the rule that it breaks; never a value of a row.
	What string
	// Offset is where in the bytes.
	Offset int
}

// Error is What.
func (e *Error) Error() string { return "abi: " + e.What }
