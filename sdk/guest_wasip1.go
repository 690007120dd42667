package sdk

import (
	"unsafe"

	"github.com/tidegate/engine/sdk/abi"
)

// guest is the module: exports are functions, which have nothing else to hang their state on.
var guest struct {
	instance *Instance
	arena    []byte
	base     uint32 // the address of the arena that the host was given
}

// Export hands a plug-in to the runtime of its module: var _ = sdk.Export(&rule{}). Anywhere but in a module it does nothing.
func Export(plugin any) Exported {
	guest.instance = NewInstance(plugin, Services{})
	return Exported{}
}

//go:wasmexport tg_abi_1
func marker() {}

//go:wasmexport tg_alloc
func alloc(n uint32) uint32 {
	if n > abi.MaxBatch {
		return 0
	}
	guest.arena = make([]byte, n+8)
	start := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(guest.arena))))
	guest.base = (start + 7) &^ 7
	guest.arena = guest.arena[guest.base-start:]
	return guest.base
}

//go:wasmexport tg_configure
func configure(ptr, n uint32) uint64 {
	raw, ok := arena(ptr, n)
	switch {
	case guest.instance == nil:
		return result(NewInstance(nil, Services{}).verdicts.a.failure("the module names no plug-in: add var _ = sdk.Export(…)"))
	case !ok:
		return result(guest.instance.verdicts.a.failure("the host names memory that it was not given"))
	}
	return result(guest.instance.Configure(raw))
}

//go:wasmexport tg_validate
func validate(ptr, n uint32) uint64 { return call("validate", ptr, n) }

//go:wasmexport tg_retain
func retain(ptr, n uint32) uint64 { return call("retain", ptr, n) }

//go:wasmexport tg_notify
func notify(ptr, n uint32) uint64 { return call("notify", ptr, n) }

func call(on string, ptr, n uint32) uint64 {
	raw, ok := arena(ptr, n)
	if !ok || guest.instance == nil {
		return result(NewInstance(nil, Services{}).verdicts.a.failure("the host names memory that it was not given"))
	}
	return result(guest.instance.Call(on, raw, 0))
}

// arena is what the host has written.
func arena(ptr, n uint32) ([]byte, bool) {
	off := uint64(ptr) - uint64(guest.base) // wraps where it is below
	if off > uint64(len(guest.arena)) || uint64(n) > uint64(len(guest.arena))-off {
		return nil, false
	}
	return guest.arena[off : off+uint64(n)], true
}

// result is what an export returns for a block; the instance keeps the block until the next call.
func result(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))<<32 | uint64(len(b))
}
