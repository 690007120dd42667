//go:build wasip1

// Command extism is the rule for Extism. It calls Extism's kernel as the PDKs do: eight bytes a call in, and out.
package main

import (
	"encoding/binary"

	"github.com/tidegate/engine/internal/bench/plugins/rule"
	"github.com/tidegate/engine/sdk/abi"
)

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u64
func inputWord(at uint64) uint64

//go:wasmimport extism:host/env input_load_u8
func inputByte(at uint64) uint32

//go:wasmimport extism:host/env alloc
func allocate(n uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeByte(at uint64, v uint32)

//go:wasmimport extism:host/env output_set
func output(at, n uint64)

var (
	batch []byte
	block abi.Block
)

//go:wasmexport validate
func validate() uint32 {
	n := inputLength()
	if uint64(cap(batch)) < n {
		batch = make([]byte, n)
	}
	batch = batch[:n]
	at := uint64(0)
	for ; at+8 <= n; at += 8 {
		binary.LittleEndian.PutUint64(batch[at:], inputWord(at))
	}
	for ; at < n; at++ {
		batch[at] = byte(inputByte(at))
	}
	b := rule.Judge(batch, &block)
	if b == nil {
		return 0
	}
	to := allocate(uint64(len(b)))
	for i, c := range b {
		storeByte(to+uint64(i), uint32(c))
	}
	output(to, uint64(len(b)))
	return 0
}

func main() {}
