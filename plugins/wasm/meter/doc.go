// Package meter rewrites a WebAssembly module so that it can be stopped and cannot take more than it was given.
//
// Compiled code cannot be preempted: a guest that loops would stop the garbage collector of the whole process, and no time-out of the runtime
// reaches it at a bearable price. So the module counts for itself. Each function entry and each turn of a loop takes the weight of its instructions
// from a global; where that goes below zero the host is called, which looks at the deadline and hands out the next slice. The count depends
// on the module and its input alone: the same batch burns the same fuel on every machine.
//
//   - A function pays for everything in it outside of its loops, plus EntryCost. A turn of a loop pays for everything in it outside of inner loops.
//     A small loop pays for four turns at once.
//     A direct call of a small function without loops and calls pays for that function, too, and goes to a copy that does not pay.
//     Code between two payments only runs forward, so what is paid is never less than what runs.
//   - A function that calls others also pays its frame into a second global and takes it back when it returns, so that recursion is bounded. A frame counts for as large as the compiler can make it.
//   - memory.fill and memory.copy run in pieces of at most PieceSize and pay for each before it runs; memory.init, table.init, table.copy and memory.grow pay for
//     what they touch.
//   - The memory and the table get a maximum. Globals that may change are exported for snapshots.
//
// The new globals, functions and locals have numbers behind those of the module; package module refuses code that names any such number, so a
// guest cannot write its own fuel.
package meter
