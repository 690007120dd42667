package bulk

import (
	"io"

	"github.com/tidegate/engine/core/sqlite"
)

// Format reads and writes files of one format: [CSV], [JSONLines], and parquet.Format of the package below. The zero value of
// each is what most files want.
type Format interface {
	// Name is the format as messages and the record of progress name it. It holds every setting that changes what a file means.
	Name() string
	// Decoder reads rows from r, whose position is the start of the file.
	Decoder(r io.Reader) (Decoder, error)
	// Encoder writes rows to w.
	Encoder(w io.Writer, columns []Column) (Encoder, error)
}

// Decoder reads the rows of a file. Not safe for concurrent use.
type Decoder interface {
	// Columns are the names that the file gives; nil where each row names its own.
	Columns() []string
	// Next reads one row into rec, whose memory it uses again. io.EOF is the end; a row that is broken is returned with
	// rec.Bad set; any other error ends the import.
	Next(rec *Record) error
	// Seek goes on at a place that a Record of the same file has told. Files that cannot seek are read up to it.
	Seek(to Place) error
}

// Encoder writes rows. Not safe for concurrent use.
type Encoder interface {
	// Row writes one row. An error of what can be in a row is a *ValueError; its row number is filled in by the caller.
	Row(row []sqlite.Value) error
	// Close writes what is left. It does not close the writer.
	Close() error
}

// Place is a place between two rows of a file.
type Place struct {
	Offset int64 // bytes from the start; in a Parquet file, rows
	Line   int64 // lines before it
	Rows   int64 // rows before it
}

// Record is one row of a file.
type Record struct {
	Cells []Cell
	Names []string // of the cells, where the decoder has no columns
	Line  int64    // of its start, from 1; 0 where the format has no lines
	After Place    // where the next row begins
	Raw   []byte   // the row as it stands in the file; nil where that is no text
	Bad   string   // why it cannot be read; "" when it can
}

// CellKind is how a value stands in a file.
type CellKind uint8

// The kinds of cells.
const (
	CellNull    CellKind = iota // no value
	CellBare                    // text without quotes, whose meaning the column decides
	CellText                    // text
	CellNumber                  // a number as it is written
	CellBool                    // Int is 0 or 1
	CellInteger                 // Int
	CellReal                    // Float
	CellBlob                    // bytes
	CellNested                  // an object or a list
)

// Cell is one value of a file. Only the fields that its kind names are set.
type Cell struct {
	Kind  CellKind
	Int   int64
	Float float64
	Bytes []byte // of text, numbers and blobs; valid until the next row
}

// Reject is a row that was refused.
type Reject struct {
	Line   int64  `json:"line,omitempty"` // of the file, from 1; 0 where it has no lines
	Row    int64  `json:"row"`            // of the file, from 1
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
}
