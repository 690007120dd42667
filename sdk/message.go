package sdk

import (
	"strconv"
	"unsafe"

	"github.com/tidegate/engine/sdk/abi"
)

// Message builds the text of a verdict without an allocation:
//
//	v.Reject(row, col, 1, m.Start("qty ").Int(q).Text(" is over ").Int(limit).String())
//
// What is over abi.MaxMessage bytes is left out. The zero value is empty. It belongs to one goroutine; keep one in the plug-in, not one for each row.
type Message struct {
	b    [abi.MaxMessage]byte
	n    int
	full bool // something was left out, so nothing may follow
}

// Start begins anew.
func (m *Message) Start(s string) *Message {
	m.n, m.full = 0, false
	return m.Text(s)
}

// Text appends a text.
func (m *Message) Text(s string) *Message {
	if !m.full {
		n := copy(m.b[m.n:], abi.Cut(s, len(m.b)-m.n))
		m.n, m.full = m.n+n, n < len(s)
	}
	return m
}

// Int appends an integer.
func (m *Message) Int(v int64) *Message {
	var digits [20]byte
	b := strconv.AppendInt(digits[:0], v, 10)
	return m.Text(unsafe.String(unsafe.SliceData(b), len(b)))
}

// Float appends a number in the shortest form that reads back the same.
func (m *Message) Float(v float64) *Message {
	var digits [32]byte
	b := strconv.AppendFloat(digits[:0], v, 'g', -1, 64)
	return m.Text(unsafe.String(unsafe.SliceData(b), len(b)))
}

// Cell appends a value: NULL in letters, a blob by its length.
func (m *Message) Cell(c Cell) *Message {
	switch c.Type() {
	case Integer:
		return m.Int(c.Int())
	case Float:
		return m.Float(c.Float())
	case Text:
		return m.Text(c.Text())
	case Blob:
		return m.Text("a blob of ").Int(int64(len(c.Bytes()))).Text(" bytes")
	}
	return m.Text("NULL")
}

// String is the text, valid until the next Start. Verdicts and actions copy it.
func (m *Message) String() string { return unsafe.String(unsafe.SliceData(m.b[:]), m.n) }
