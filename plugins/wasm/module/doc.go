// Package module reads WebAssembly binaries as far as the gate and the metering rewriter need: sections, types, segments, and the instructions of
// every function with their immediates. It checks every index that code may use against what the module itself declares, because the rewriter
// adds functions, globals and locals that no guest must reach. It does not check types: the engine that compiles the module does.
//
// What a plug-in may not use is unknown here on purpose: SIMD, threads, exceptions, tail calls, reference types, 64-bit and multiple memories.
package module
