package sdk

import (
	"unsafe"

	"github.com/tidegate/engine/sdk/abi"
)

// The imports of module tg. One that nothing calls is left out by the linker, so that a plug-in asks for no more than it uses.

//go:wasmimport tg now
//go:noescape
func tgNow() int64

//go:wasmimport tg log
//go:noescape
func tgLog(level uint32, ptr unsafe.Pointer, n uint32)

//go:wasmimport tg metric_add
//go:noescape
func tgMetricAdd(ptr unsafe.Pointer, n uint32, delta float64)

//go:wasmimport tg lookup
//go:noescape
func tgLookup(query uint32, ptr unsafe.Pointer, n uint32, out unsafe.Pointer, room uint32) int64

//go:wasmimport tg kv_get
//go:noescape
func tgGet(key unsafe.Pointer, n uint32, out unsafe.Pointer, room uint32) int64

//go:wasmimport tg kv_put
//go:noescape
func tgPut(key unsafe.Pointer, n uint32, value unsafe.Pointer, size uint32) int64

//go:wasmimport tg outbox_put
//go:noescape
func tgPost(endpoint unsafe.Pointer, n uint32, body unsafe.Pointer, size uint32) int64

// text and data are the address and the length of bytes.
func text(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func data(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

// Now is the instant of the batch in nanoseconds since 1970. A module needs the capability now.
func (b *Batch) Now() int64 { return tgNow() }

// Log writes a line to the log of the engine, which cuts and drops what is over its limits. A module needs the capability log.
func (b *Batch) Log(level Level, line string) {
	p, n := text(line)
	tgLog(uint32(level), p, n)
}

// Count adds to a counter of the plug-in. A module needs the capability metric_add.
func (b *Batch) Count(metric string, delta float64) {
	p, n := text(metric)
	tgMetricAdd(p, n, delta)
}

// firstAnswer is the room that answers get at first; one that needs more is asked for again.
const firstAnswer = 64 << 10

func (in *Instance) lookup(query int, args []byte) ([]byte, error) {
	p, n := data(args)
	return ask(&in.answer, func(out unsafe.Pointer, room uint32) int64 { return tgLookup(uint32(query), p, n, out, room) })
}

// ask has an answer written into a buffer, which grows as it has to.
func ask(buf *[]byte, call func(out unsafe.Pointer, room uint32) int64) ([]byte, error) {
	if *buf == nil {
		*buf = make([]byte, firstAnswer)
	}
	for {
		p, room := data(*buf)
		n := call(p, room)
		if err := status(n); err != nil {
			return nil, err
		}
		if n <= int64(len(*buf)) {
			return (*buf)[:n], nil
		}
		*buf = make([]byte, n)
	}
}

// Get reads a value that the plug-in has put; ok is false where there is none. A module needs the capability kv.
//
// # Errors
//
// ErrRefused, ErrInvalid.
func (b *Batch) Get(key string) (value []byte, ok bool, err error) {
	p, n := text(key)
	none := false
	raw, err := ask(&b.in.value, func(out unsafe.Pointer, room uint32) int64 {
		got := tgGet(p, n, out, room)
		if none = got == abi.StatusNone; none {
			return 0
		}
		return got
	})
	if err != nil || none {
		return nil, false, err
	}
	return append([]byte{}, raw...), true, nil
}

// Put keeps a value, in the transaction that is judged: it goes when that is rolled back. A module needs the capability kv.
//
// # Errors
//
// ErrRefused, ErrInvalid.
func (b *Batch) Put(key string, value []byte) error {
	p, n := text(key)
	v, size := data(value)
	if size == 0 {
		v = unsafe.Pointer(&b.at) // address 0 would remove it
	}
	return status(tgPut(p, n, v, size))
}

// Remove takes a value away. A module needs the capability kv.
//
// # Errors
//
// ErrRefused, ErrInvalid.
func (b *Batch) Remove(key string) error {
	p, n := text(key)
	return status(tgPut(p, n, nil, 0))
}

// post hands an encoded message to the outbox.
func (b *Batch) post(endpoint string, message []byte) error {
	p, n := text(endpoint)
	m, size := data(message)
	return status(tgPost(p, n, m, size))
}
