//go:build wasip1

// Command guest is the rule for plugins/wasm.
package main

import (
	"unsafe"

	"github.com/tidegate/engine/internal/bench/plugins/rule"
	"github.com/tidegate/engine/sdk/abi"
)

var (
	arena []byte
	block abi.Block
)

//go:wasmexport tg_abi_1
func marker() {}

//go:wasmexport tg_alloc
func alloc(n uint32) uint32 {
	arena = make([]byte, n+8)
	return (uint32(uintptr(unsafe.Pointer(unsafe.SliceData(arena)))) + 7) &^ 7
}

//go:wasmexport tg_validate
func validate(ptr, n uint32) uint64 {
	base := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(arena))))
	b := rule.Judge(arena[ptr-base:ptr-base+n], &block)
	if b == nil {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))<<32 | uint64(len(b))
}

func main() {}
