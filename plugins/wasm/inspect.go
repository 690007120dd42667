package wasm

import (
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm/meter"
	"github.com/tidegate/engine/plugins/wasm/module"
	"github.com/tidegate/engine/sdk/abi"
)

// Inspection is what a module is, and what would keep it from being loaded.
type Inspection struct {
	// Speaks reports whether the module exports the marker of this ABI.
	Speaks bool
	// Imports are what it asks of the host, in its order.
	Imports []InspectedImport
	// Exports are the names of the functions that it exports for the host.
	Exports []string
	// Functions is how many it defines.
	Functions int
	// Pages is the memory that it begins with and the most that it says it may have, in pages of 64 KiB; 0 where it does not say.
	Pages, MostPages uint32
	// Size is that of the module, and Metered that of what is compiled; 0 where it cannot be rewritten.
	Size, Metered int
	// Refusals are the reasons why it would not be loaded, the first of each stage; empty where it would get as far as the compiler.
	Refusals []string
}

// InspectedImport is an imported function.
type InspectedImport struct {
	// Module and Name name it, Type is its signature: i, l, f, d for i32, i64, f32, f64, parameters before the colon.
	Module, Name, Type string
	// Granted reports whether the manifest lets it be imported.
	Granted bool
}

// Inspect looks at a module as Load does, and compiles nothing.
func Inspect(m *plugins.Manifest, code []byte) *Inspection {
	out := &Inspection{Size: len(code)}
	parsed, err := module.Parse(code)
	if err != nil {
		out.Refusals = append(out.Refusals, err.Error())
		return out
	}
	granted, wasi := m.Capabilities.Granted(), wasiTypes()
	for _, i := range parsed.Imports {
		in := InspectedImport{Module: i.Module, Name: i.Name, Type: signature(parsed.Types[i.Type])}
		in.Granted = i.Module == abi.ImportModule && granted[i.Name] || i.Module == abi.ImportWASI && wasi[i.Name] != ""
		out.Imports = append(out.Imports, in)
	}
	types := exportTypes()
	for _, e := range parsed.Exports {
		if e.Kind == module.KindFunc && types[e.Name] != "" {
			out.Exports = append(out.Exports, e.Name)
			out.Speaks = out.Speaks || e.Name == abi.ExportMarker
		}
	}
	out.Functions = len(parsed.Bodies)
	if parsed.Memory != nil {
		out.Pages = parsed.Memory.Min
		if parsed.Memory.HasMax {
			out.MostPages = parsed.Memory.Max
		}
	}
	if err := gate(m, parsed); err != nil {
		out.Refusals = append(out.Refusals, err.Error())
	}
	metered, err := meter.Rewrite(parsed, meter.Options{MaxPages: m.Limits.WithDefaults(1).MemoryPages})
	if err != nil {
		out.Refusals = append(out.Refusals, err.Error())
		return out
	}
	out.Metered = len(metered.Wasm)
	return out
}
