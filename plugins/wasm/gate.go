package wasm

import (
	"strings"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm/module"
	"github.com/tidegate/engine/sdk/abi"
)

// signature is a function type as text, such as "iil:l" (i i32, l i64, d f64).
func signature(t module.FuncType) string {
	var b strings.Builder
	letters := func(ts []module.ValType) {
		for _, t := range ts {
			b.WriteByte(map[module.ValType]byte{module.I32: 'i', module.I64: 'l', module.F32: 'f', module.F64: 'd'}[t])
		}
	}
	letters(t.Params)
	b.WriteByte(':')
	letters(t.Results)
	return b.String()
}

// exportTypes are the functions that a plug-in may export for the host.
func exportTypes() map[string]string {
	return map[string]string{
		abi.ExportMarker: ":", abi.ExportInitialize: ":", abi.ExportFeatures: "l:l", abi.ExportAlloc: "i:i",
		abi.ExportConfigure: "ii:l", abi.ExportValidate: "ii:l", abi.ExportRetain: "ii:l", abi.ExportNotify: "ii:l",
	}
}

// hookExport is the export that serves a hook.
func hookExport(h plugins.Hook) string {
	switch h {
	case plugins.HookRetain:
		return abi.ExportRetain
	case plugins.HookNotify:
		return abi.ExportNotify
	}
	return abi.ExportValidate
}

// gate refuses what a module must not have, before anything of it is compiled.
func gate(m *plugins.Manifest, w *module.Module) error {
	if err := gateImports(m, w); err != nil {
		return err
	}
	if w.Memory == nil {
		return fault(m, plugins.FaultLoad, "the module has no memory")
	}
	if _, ok := w.Export(abi.ExportMemory, module.KindMemory); !ok {
		return fault(m, plugins.FaultLoad, "the module does not export its memory as %q", abi.ExportMemory)
	}
	types := exportTypes()
	marker := false
	for _, e := range w.Exports {
		switch {
		case strings.HasPrefix(e.Name, abi.ReservedPrefix):
			return fault(m, plugins.FaultDenied, "export %q: names that begin with %s belong to the host", e.Name, abi.ReservedPrefix)
		case e.Name == abi.ExportMarker && e.Kind == module.KindFunc:
			marker = true
		case strings.HasPrefix(e.Name, abi.MarkerNamePrefix):
			return fault(m, plugins.FaultLoad, "the module speaks %s, and this engine %s: build it with a matching SDK", e.Name, abi.ExportMarker)
		}
		if want := types[e.Name]; want != "" {
			t, ok := w.TypeOf(e.Index)
			if e.Kind != module.KindFunc || !ok || signature(t) != want {
				return fault(m, plugins.FaultLoad, "export %s is not a function of the type that the ABI names (%s)", e.Name, want)
			}
		}
	}
	if !marker {
		return fault(m, plugins.FaultLoad, "the module does not export %s: it was not built for this engine", abi.ExportMarker)
	}
	needed := []string{abi.ExportAlloc}
	for _, h := range m.Hooks {
		needed = append(needed, hookExport(hookOf(h.On)))
	}
	for _, name := range needed {
		if _, ok := w.Export(name, module.KindFunc); !ok {
			return fault(m, plugins.FaultLoad, "the module does not export %s, which plugin.yaml needs", name)
		}
	}
	return nil
}

func hookOf(on string) plugins.Hook {
	for h := plugins.HookValidate; h <= plugins.HookNotify; h++ {
		if h.String() == on {
			return h
		}
	}
	return plugins.HookValidate
}

func gateImports(m *plugins.Manifest, w *module.Module) error {
	granted, known, wasi := m.Capabilities.Granted(), capabilityTypes(), wasiTypes()
	for _, i := range w.Imports {
		have := signature(w.Types[i.Type])
		var want string
		switch i.Module {
		case abi.ImportModule:
			want = known[i.Name]
			if want != "" && !granted[i.Name] {
				return fault(m, plugins.FaultDenied, "import tg.%s is not granted: %s", i.Name, m.Capabilities.Remedy(i.Name))
			}
		case abi.ImportWASI:
			want = wasi[i.Name]
		case abi.ReservedModule:
			return fault(m, plugins.FaultDenied, "import %s.%s: that module belongs to the host", i.Module, i.Name)
		}
		switch {
		case want == "":
			return fault(m, plugins.FaultDenied, "import %s.%s is not offered: a plug-in has no files, environment, network or processes", i.Module, i.Name)
		case want != have:
			return fault(m, plugins.FaultLoad, "import %s.%s has the type %s, and the ABI says %s", i.Module, i.Name, have, want)
		}
	}
	return nil
}
