//go:build wasip1

// Command faulty is a guest in Go that fails in the way that the schema number of its batch names.
package main

import (
	"os"
	"time"
	"unsafe"

	"github.com/tidegate/engine/sdk/abi"
)

var (
	arena []byte
	kept  [][]byte
	seen  int
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
	rows, err := abi.Open(arena[ptr-base : ptr-base+n])
	if err != nil {
		panic(err)
	}
	seen++
	switch rows.Schema() {
	case 1:
		for {
			seen++
		}
	case 2:
		panic("no such account")
	case 3:
		return uint64(deep(1))
	case 4:
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case 5:
		time.Sleep(time.Second) // ends at once: the clock is the call's own
	case 6:
		os.Exit(3)
	case 7:
		if len(os.Environ()) > 0 || len(os.Args) > 1 {
			panic("the machine can be seen")
		}
	case 8:
		if !time.Now().Equal(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)) {
			panic("another time: " + time.Now().String())
		}
	case 9:
		for range 200 { // garbage, more than the memory holds at once
			kept = [][]byte{make([]byte, 1<<19)}
		}
	}
	return 0
}

func deep(n int) int {
	var pad [64]int
	pad[n%64] = n
	return deep(n+1) + pad[(n+1)%64]
}

func main() {}
