package wasm

import "github.com/tetratelabs/wazero/experimental"

// linearMemory is the memory of one instance. It doubles when it grows, but never past the limit: the runtime's own way, which is append, takes up to a
// quarter more than the guest may have.
type linearMemory struct {
	b    []byte
	most uint64
}

func allocate(_, most uint64) experimental.LinearMemory { return &linearMemory{most: most} }

// Reallocate returns a memory of so many bytes with the contents of the one before; nil where that is more than the limit.
func (l *linearMemory) Reallocate(size uint64) []byte {
	switch {
	case size > l.most:
		return nil
	case size <= uint64(cap(l.b)):
		l.b = l.b[:size]
	default:
		room := min(l.most, max(size, 2*uint64(cap(l.b))))
		b := make([]byte, size, room)
		copy(b, l.b)
		l.b = b
	}
	return l.b
}

// Free leaves the bytes to the collector.
func (l *linearMemory) Free() { l.b = nil }
