//go:build wasip1

// Command desk is the rule of the tests that go through the whole engine. Its columns are an id, a symbol and a quantity: it rejects quantities below one, warns of
// the symbol WARN, and fails in a way of its own at the symbols PANIC, LOOP, GROW and DEEP.
package main

import (
	"unsafe"

	"github.com/tidegate/engine/sdk/abi"
)

var (
	arena []byte
	block abi.Block
	heap  [][]byte
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
	block.Reset()
	if err != nil {
		block.Add(abi.Record{Message: err.Error()})
		return result(abi.Failure)
	}
	for row := range rows.Len() {
		symbol := rows.Cell(row, abi.New, 1)
		if len(symbol.Bytes()) == 5 || len(symbol.Bytes()) == 4 {
			misbehave(string(symbol.Bytes()), row)
		}
		if qty := rows.Cell(row, abi.New, 2); qty.Type() != abi.Integer || qty.Int() < 1 {
			block.Add(abi.Record{Row: uint32(row), Code: 1, Col: 2, Action: abi.Reject, Severity: abi.SeverityError, Message: "qty must be at least 1"})
		}
	}
	if block.Len() == 0 {
		return 0
	}
	return result(abi.Verdicts)
}

func misbehave(symbol string, row int) {
	switch symbol {
	case "WARN":
		block.Add(abi.Record{Row: uint32(row), Code: 9, Col: 1, Action: abi.Warn, Severity: abi.Warning, Message: "this symbol is watched"})
	case "PANIC":
		panic("told to")
	case "LOOP":
		for i := 0; ; i++ {
			arena[0] = byte(i)
		}
	case "GROW":
		for {
			heap = append(heap, make([]byte, 1<<20))
		}
	case "DEEP":
		deep(0)
	}
}

//go:noinline
func deep(n int) int {
	if n < 0 {
		return 0
	}
	return deep(n+1) + 1
}

func result(kind abi.Kind) uint64 {
	b := block.Bytes(kind)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))<<32 | uint64(len(b))
}

func main() {}
