//go:build wasip1

// Command limit is the guest of the tests in Go: it rejects orders of more than 1,000 pieces, of a symbol without letters, or without a price.
package main

import (
	"unsafe"

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
	rows, err := abi.Open(arena[ptr-base : ptr-base+n])
	block.Reset()
	if err != nil {
		block.Add(abi.Record{Message: err.Error()})
		return result(abi.Failure)
	}
	for row := range rows.Len() {
		symbol, qty, price := rows.Cell(row, abi.New, 1), rows.Cell(row, abi.New, 2).Int(), rows.Cell(row, abi.New, 3)
		switch {
		case qty > 1000:
			block.Add(abi.Record{Row: uint32(row), Code: 1, Col: 2, Action: abi.Reject, Severity: abi.SeverityError, Message: "qty is over 1000"})
		case price.IsNull() || price.Float() <= 0:
			block.Add(abi.Record{Row: uint32(row), Code: 2, Col: 3, Action: abi.Reject, Severity: abi.SeverityError, Message: "no price"})
		case !letters(symbol.Bytes()):
			block.Add(abi.Record{Row: uint32(row), Code: 3, Col: 1, Action: abi.Reject, Severity: abi.SeverityError, Message: "symbol"})
		}
	}
	if block.Len() == 0 {
		return 0
	}
	return result(abi.Verdicts)
}

func letters(b []byte) bool {
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(b) > 0
}

func result(kind abi.Kind) uint64 {
	b := block.Bytes(kind)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))<<32 | uint64(len(b))
}

func main() {}
