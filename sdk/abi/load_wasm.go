package abi

import "unsafe"

// The compiler makes eight loads and seven shifts of binary.LittleEndian.Uint64 here; WebAssembly is little-endian and loads at any alignment.

func load64(b []byte) uint64 {
	_ = b[7]
	return *(*uint64)(unsafe.Pointer(unsafe.SliceData(b)))
}

func load32(b []byte) uint32 {
	_ = b[3]
	return *(*uint32)(unsafe.Pointer(unsafe.SliceData(b)))
}
