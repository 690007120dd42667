package module_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins/wasm/module"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

func assemble(t testing.TB, text string) []byte {
	t.Helper()
	b, err := wasmtest.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := module.Parse(assemble(t, "import tg now $now () -> (i64)\nmemory 2 5\ntable 3 9\nelem 1 $f\nelem passive $now\nglobal i64 mut -7\ndata 8 \"hi\"\ndata passive \"ho\"\n"+
		"func $f (i32 f64) -> (i64) (i32 i64) run\ncall $now\nend\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Imports) != 1 || m.Imports[0].Name != "now" || m.Memory.Min != 2 || m.Memory.Max != 5 || m.Table.Min != 3 || m.Table.Max != 9 || !m.Globals[0].Mutable ||
		len(m.Elements) != 2 || m.Elements[0].Funcs[0] != 1 || m.Elements[1].Mode != module.Passive || string(m.Data[0].Bytes) != "hi" || m.Data[1].Mode != module.Passive {
		t.Errorf("%+v", m)
	}
	if e, ok := m.Export("run", module.KindFunc); !ok || e.Index != 1 {
		t.Errorf("%+v", m.Exports)
	}
	if typ, ok := m.TypeOf(1); !ok || len(typ.Params) != 2 || typ.Results[0] != module.I64 {
		t.Errorf("%+v", typ)
	}
}

// TestWalker follows the height of the stack, which decides what a frame costs.
func TestWalker(t *testing.T) {
	t.Parallel()
	m, err := module.Parse(assemble(t, `memory 1
func $f (i32) -> (i32) (i64)
  local.get 0
  local.get 0
  local.get 0
  i32.add
  block (i32) -> (i32 i32)
    local.get 0
  end
  drop
  drop
  if i32
    i32.const 1
  else
    unreachable
  end
  br 0
  i32.add
end`))
	if err != nil {
		t.Fatal(err)
	}
	w := module.NewWalker(m, 0)
	n := 0
	for w.Next() {
		n++
	}
	if w.Err() != nil || n != 17 || w.MaxHeight != 3 || w.Depth() != 0 || w.Locals() != 2 {
		t.Errorf("%d instructions, height %d, depth %d, %d locals: %v", n, w.MaxHeight, w.Depth(), w.Locals(), w.Err())
	}
}

// TestParseRefuses lists indexes and sizes that a rewritten module would give a meaning.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	f := func(body string) string {
		return "memory 1\ntable 1\nglobal i32 const 1\nfunc $f (i32) -> ()\n" + body + "\nend\n"
	}
	for name, c := range map[string][2]string{
		"global.get":          {f("global.get 1\ndrop"), "global 1"},
		"global.set":          {f("i32.const 1\nglobal.set 2"), "global 2"},
		"constant global":     {f("i32.const 1\nglobal.set 0"), "constant global"},
		"local":               {f("local.get 1\ndrop"), "local 1"},
		"label":               {f("br 1"), "label 1"},
		"label of a table":    {f("i32.const 0\nbr_table 0 1 0"), "label 1"},
		"function":            {f("call 1"), "function 1"},
		"type":                {f("i32.const 0\nraw 11 05 00"), "type 5"},
		"type of a block":     {f("raw 02 05 0b"), "unknown type"},
		"another table":       {f("i32.const 0\nraw 11 00 01"), "table 1"},
		"another memory":      {f("raw 3f 01\ndrop"), "another memory"},
		"element":             {f("") + "elem 0 7\n", "names no function"},
		"data segment":        {f("i32.const 0\ni32.const 0\ni32.const 0\nmemory.init 0"), "data segment 0"},
		"no memory":           {"func $f ()\ni32.const 0\ni32.load\ndrop\nend\n", "needs a memory"},
		"else without if":     {f("block\nelse\nend"), "else without"},
		"global.get constant": {"raw 6 01 7f 00 23 00 0b\n" + f(""), "plain constant"},
		"select with types":   {f("raw 1c 01 7f"), "reference types"},
		"two memories":        {"raw 5 02 00 01 00 01\nfunc $f ()\nend\n", "2 memories"},
		"shared memory":       {"raw 5 01 03 01 01\nfunc $f ()\nend\n", "threads"},
		"imported memory":     {"raw 2 01 02 74 67 01 6d 02 00 01\nfunc $f ()\nend\n", "functions only"},
	} {
		if _, err := module.Parse(assemble(t, c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %q", name, err, c[1])
		}
	}
	good := assemble(t, f("nop"))
	if _, err := module.Parse(good); err != nil {
		t.Fatal(err)
	}
	for n := range good { // a section that is missing at the end may leave a module that is whole
		var e *module.Error
		if _, err := module.Parse(good[:n]); err != nil && !errors.As(err, &e) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// FuzzParse looks for bytes on which the reader panics or does not end.
func FuzzParse(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(assemble(f, wasmtest.Random(seed)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := module.Parse(b)
		if err != nil {
			return
		}
		for i := range m.Bodies {
			for w := module.NewWalker(m, i); w.Next(); {
				if w.To <= w.From {
					t.Fatal("an instruction of no length")
				}
			}
		}
	})
}
