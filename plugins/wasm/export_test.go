package wasm

import "time"

// Unmetered makes a host run guests without payments, for benchmarks.
func Unmetered(h *Host) { h.plain = true }

// NextSlice is what follows a slice of fuel that took so long.
func NextSlice(was int64, took time.Duration) int64 { return nextSlice(was, took) }

// Slice and SliceTime bound it.
const (
	Slice      = slice
	LeastSlice = leastSlice
	SliceTime  = sliceTime
)
