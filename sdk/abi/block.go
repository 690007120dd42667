package abi

import (
	"encoding/binary"
	"unicode/utf8"
)

// Layout of a result block.
const (
	blockHeader  = 8
	recordSize   = 24
	blockVersion = 1
)

// Kind says what the records of a block mean.
type Kind uint16

// Kinds of blocks.
const (
	Verdicts Kind = 1 + iota
	Actions
	Failure // kind "error": the plug-in could not do its work
)

// Action is what a record asks for.
type Action uint8

// Actions of verdicts.
const (
	Reject Action = 1
	Warn   Action = 2
)

// Actions of retention policies and sinks.
const (
	Keep Action = iota
	Archive
	Delete
	Hold // keep it whatever other policies say
	Delivered
	Retry // after Aux seconds
	Drop
)

// Severity orders records for people.
type Severity uint8

// Severities.
const (
	Info Severity = iota
	Warning
	SeverityError
	Critical
)

// WholeRow is the Col of a record that concerns no single column.
const WholeRow = 0xFFFF

// Record is a verdict or an action.
type Record struct {
	// Row is the number of the row in the batch.
	Row uint32
	// Code is the plug-in's own number of the rule.
	Code uint32
	// Col is the number of the column, or WholeRow.
	Col uint16
	// Action is what is asked for.
	Action Action
	// Severity is how bad it is.
	Severity Severity
	// Aux is what the action needs besides: of Retry the seconds to wait.
	Aux uint32
	// Message is for people; at most MaxMessage bytes.
	Message string
}

// Block builds a result block. The zero value holds no record. It belongs to one goroutine, and once it has grown nothing of it allocates.
type Block struct {
	records []byte
	text    []byte
	out     []byte
	n       int
}

// Reset empties the block.
func (k *Block) Reset() { k.records, k.text, k.n = k.records[:0], k.text[:0], 0 }

// Len is the number of records.
func (k *Block) Len() int { return k.n }

// Add appends a record and reports whether it had room. A message that is too long is cut at the beginning of a character; one for which the block
// has no room is left out; a record for which it has none is not added.
func (k *Block) Add(r Record) bool {
	if blockHeader+len(k.records)+recordSize+len(k.text) > MaxBlock {
		return false
	}
	room := MaxBlock - (blockHeader + len(k.records) + recordSize + len(k.text))
	msg := Cut(r.Message, min(MaxMessage, room))
	le := binary.LittleEndian
	k.records = le.AppendUint32(k.records, r.Row)
	k.records = le.AppendUint32(k.records, r.Code)
	k.records = le.AppendUint16(k.records, r.Col)
	k.records = append(k.records, byte(r.Action), byte(r.Severity))
	k.records = le.AppendUint32(k.records, uint32(len(k.text)))
	k.records = le.AppendUint32(k.records, uint32(len(msg)))
	k.records = le.AppendUint32(k.records, r.Aux)
	k.text = append(k.text, msg...)
	k.n++
	return true
}

// Bytes is the encoded block, valid until the next call.
func (k *Block) Bytes(kind Kind) []byte {
	le := binary.LittleEndian
	k.out = k.out[:0]
	k.out = le.AppendUint16(k.out, uint16(kind))
	k.out = le.AppendUint16(k.out, blockVersion)
	k.out = le.AppendUint32(k.out, uint32(k.n))
	k.out = append(k.out, k.records...)
	text := uint32(len(k.out))
	for off := blockHeader; off < int(text); off += recordSize {
		le.PutUint32(k.out[off+12:], text+le.Uint32(k.out[off+12:]))
	}
	k.out = append(k.out, k.text...)
	return k.out
}

// Cut shortens s to at most n bytes, never inside a character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// DecodeBlock reads a result block for a batch of so many rows and columns, and appends its records to dst. It copies the messages.
//
// # Errors
//
// An *Error that names the rule of the layout that the block breaks; dst comes back as it was.
func DecodeBlock(dst []Record, b []byte, rows, cols int) (Kind, []Record, error) {
	bad := func(what string, off int) (Kind, []Record, error) {
		return 0, dst, &Error{"result block: " + what, off}
	}
	rows = max(rows, 0)
	if len(b) < blockHeader || len(b) > MaxBlock {
		return bad("length", 0)
	}
	le := binary.LittleEndian
	kind, n := Kind(le.Uint16(b)), uint64(le.Uint32(b[4:]))
	switch {
	case kind < Verdicts || kind > Failure:
		return bad("kind", 0)
	case le.Uint16(b[2:]) != blockVersion:
		return bad("version", 2)
	case kind == Failure && n != 1:
		return bad("an error has one record", 4)
	case kind != Failure && n > uint64(rows):
		return bad("more records than rows", 4)
	case n*recordSize > uint64(len(b)-blockHeader):
		return bad("number of records", 4)
	}
	out := dst
	seen := make([]uint64, 0, 16) // the escape analysis keeps it on the stack up to 1,024 rows
	if kind != Failure {
		seen = append(seen, make([]uint64, (rows+63)/64)...)
	}
	for i := range int(n) {
		off := blockHeader + i*recordSize
		c := b[off : off+recordSize]
		r := Record{Row: le.Uint32(c), Code: le.Uint32(c[4:]), Col: le.Uint16(c[8:]), Action: Action(c[10]), Severity: Severity(c[11]), Aux: le.Uint32(c[20:])}
		at, size := uint64(le.Uint32(c[12:])), uint64(le.Uint32(c[16:]))
		if size > MaxMessage || at > uint64(len(b)) || size > uint64(len(b))-at {
			return bad("message", off+12)
		}
		if kind != Failure {
			if what := r.fault(kind, rows, cols); what != "" {
				return bad(what, off)
			}
			if seen[r.Row/64]&(1<<(r.Row%64)) != 0 {
				return bad("a row twice", off)
			}
			seen[r.Row/64] |= 1 << (r.Row % 64)
		}
		r.Message = string(b[at : at+size])
		out = append(out, r)
	}
	return kind, out, nil
}

// fault says which field of a record is out of its range; "" for none.
func (r *Record) fault(kind Kind, rows, cols int) string {
	switch {
	case uint64(r.Row) >= uint64(rows):
		return "row"
	case r.Col != WholeRow && int(r.Col) >= cols:
		return "col"
	case r.Severity > Critical:
		return "severity"
	case kind == Verdicts && r.Action != Reject && r.Action != Warn, r.Action > Drop:
		return "action"
	}
	return ""
}
