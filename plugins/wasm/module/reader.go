package module

import "fmt"

// Error says what is wrong with a module, and where.
type Error struct {
	// What says which rule is broken and, where there is one, the remedy.
	What string
	// Offset is where in the file, as far as it is known.
	Offset int
}

// Error is What with the offset.
func (e *Error) Error() string { return fmt.Sprintf("wasm module: %s (at byte %d)", e.What, e.Offset) }

// reader walks over bytes. The first failure sticks, and everything after it reads zero.
type reader struct {
	b    []byte
	off  int
	base int // offset of b in the file
	err  *Error
}

func (r *reader) fail(format string, a ...any) {
	if r.err == nil {
		r.err = &Error{fmt.Sprintf(format, a...), r.base + r.off}
		r.off = len(r.b)
	}
}

func (r *reader) done() bool { return r.off >= len(r.b) }

func (r *reader) byte() byte {
	if r.off >= len(r.b) {
		r.fail("ends too early")
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b)-r.off {
		r.fail("a length runs past the end")
		return nil
	}
	out := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return out
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			r.fail("a number has more than 32 bits")
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 of at most so many bits.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.err != nil || shift >= bits {
			r.fail("a number has more than %d bits", bits)
			return 0
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// count reads the length of a vector whose items take at least one byte each.
func (r *reader) count(what string, most int) int {
	n := int(r.u32())
	switch {
	case r.err != nil:
		return 0
	case n > most:
		r.fail("%d %s, at most %d are allowed", n, what, most)
		return 0
	case n > len(r.b)-r.off:
		r.fail("the number of %s runs past the end", what)
		return 0
	}
	return n
}

func (r *reader) name() string { return string(r.bytes(int(r.u32()))) }
