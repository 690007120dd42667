package meter

import "github.com/tidegate/engine/plugins/wasm/module"

// writer appends the pieces of a binary.
type writer struct{ b []byte }

func (w *writer) byte(c ...byte) { w.b = append(w.b, c...) }

func (w *writer) u32(v uint32) { w.b = appendUnsigned(w.b, uint64(v)) }

func appendUnsigned(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func (w *writer) signed(v int64) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			w.b = append(w.b, c)
			return
		}
		w.b = append(w.b, c|0x80)
	}
}

func (w *writer) name(s string) {
	w.u32(uint32(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) sized(b []byte) {
	w.u32(uint32(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) section(id byte, body []byte) {
	w.byte(id)
	w.sized(body)
}

func (w *writer) types(ts []module.ValType) {
	w.u32(uint32(len(ts)))
	for _, t := range ts {
		w.byte(byte(t))
	}
}

func (w *writer) limits(l module.Limits) {
	if l.HasMax {
		w.byte(1)
		w.u32(l.Min)
		w.u32(l.Max)
		return
	}
	w.byte(0)
	w.u32(l.Min)
}

// code is a writer with the instructions that the rewriter needs.
type code struct{ writer }

const (
	opIf       = 0x04
	opLocalGet = 0x20
	opLocalSet = 0x21
	opLocalTee = 0x22
	opGlobGet  = 0x23
	opGlobSet  = 0x24
	opI32Const = 0x41
	opI64Const = 0x42
	opI32Eq    = 0x46
	opI32LtU   = 0x49
	opI32GtU   = 0x4b
	opI32LeU   = 0x4d
	opI64LtS   = 0x53
	opI64GtU   = 0x56
	opI32Add   = 0x6a
	opI32Sub   = 0x6b
	opI64Add   = 0x7c
	opI64Sub   = 0x7d
	opI64Mul   = 0x7e
	opI64Or    = 0x84
	opI64Shl   = 0x86
	opI64ShrU  = 0x88
	opExtendU  = 0xad
	noResult   = 0x40
)

func (c *code) op(op byte, index uint32) {
	c.byte(op)
	c.u32(index)
}

func (c *code) get(local uint32) { c.op(opLocalGet, local) }
func (c *code) set(local uint32) { c.op(opLocalSet, local) }

func (c *code) i32(v int64) {
	c.byte(opI32Const)
	c.signed(v)
}

func (c *code) i64(v int64) {
	c.byte(opI64Const)
	c.signed(v)
}
