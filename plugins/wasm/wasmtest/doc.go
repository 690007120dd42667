// Package wasmtest makes guests for tests: an assembler for a flat form of WebAssembly's text, a generator of random modules, and builds of Go and C sources.
// Test guests are built when they are needed, so that the tree holds no binaries.
package wasmtest
