// Package wasm runs plug-ins as WebAssembly modules in the process, so that none of them can harm it: a module is checked and rewritten before it is
// compiled (packages module and meter), gets the memory, the fuel and the time of its manifest and not more, sees nothing of the machine, and starts again
// from a clean state after each fault.
//
// A compiled guest stops the garbage collector while it runs. The rewritten code therefore calls the host each 100,000 units of fuel, some tens of
// microseconds, where the deadline is checked as well.
package wasm
