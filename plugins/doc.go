// Package plugins is the host's side of plug-ins: their manifests, how a version comes to life and goes, who may be asked, and what may go wrong. It knows
// no transport: package plugins/wasm runs WebAssembly modules, plugins/process native programs, and both implement [Host] and [Unit].
//
// A consumer holds a [Validator] and asks it about batches. What it answers is either about the rows, a [Verdict], or about the plug-in, a
// [*Fault]; the two are never mixed.
package plugins
