package plugins_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
)

// packable is a manifest for a module.
func packable(name string, module []byte) []byte {
	return fmt.Appendf(nil, "name: %s\nversion: 1.0.0 # comments stay\nabi: 1\nmodule: m.wasm\nsha256: \"%x\"\nhooks:\n  - {on: validate, table: t, columns: [a]}\n", name, sha256.Sum256(module))
}

// put writes a file.
func put(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPack: a packed plug-in is read as it was, whatever else a file claims to be is refused, and the same plug-in gives the same bytes.
func TestPack(t *testing.T) {
	t.Parallel()
	module := bytes.Repeat([]byte("wasm "), 1000)
	text := packable("lot-size", module)
	packed, err := plugins.Pack(text, module)
	if err != nil {
		t.Fatal(err)
	}
	again, err := plugins.Pack(text, module)
	if err != nil || !bytes.Equal(packed, again) {
		t.Errorf("two packs of one plug-in differ, %v", err)
	}
	dir := t.TempDir()
	m, got, err := plugins.Read(put(t, filepath.Join(dir, "lot-size.tgplug"), packed))
	if err != nil || m.Name != "lot-size" || !bytes.Equal(got, module) {
		t.Errorf("%+v, %d bytes, %v", m, len(got), err)
	}
	for name, c := range map[string]struct {
		text, module []byte
		says         string
	}{
		"another module": {text, []byte("x"), "not that of the manifest"},
		"no manifest":    {[]byte("name: x\n"), module, "version"},
		"built in":       {[]byte("name: x\nversion: 1.0.0\nabi: 1\nkind: builtin\nmodule: x\nhooks:\n  - {on: validate, table: t, columns: [a]}\n"), nil, "no module"},
	} {
		if _, err := plugins.Pack(c.text, c.module); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	zipped := func(parts ...string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := 0; i < len(parts); i += 2 {
			w, err := z.Create(parts[i])
			if err == nil {
				_, err = w.Write([]byte(parts[i+1]))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/3] ^= 1
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty":            {nil, "not a valid zip"},
		"text":             {text, "not a valid zip"},
		"cut":              {packed[:len(packed)-10], "not a valid zip"},
		"flipped":          {flipped, ""},
		"the module first": {zipped("m.wasm", string(module), "plugin.yaml", string(text)), "and then the module"},
		"more":             {zipped("plugin.yaml", string(text), "m.wasm", string(module), "evil", "x"), "nothing else"},
		"another name":     {zipped("plugin.yaml", string(text), "../m.wasm", string(module)), "not the module that its manifest names"},
		"a folder":         {zipped("plugin.yaml", string(text), "m.wasm/", ""), "not the module"},
		"a large manifest": {zipped("plugin.yaml", strings.Repeat("#", 1<<20+1), "m.wasm", ""), "larger than 1048576"},
		"a bomb":           {zipped("plugin.yaml", string(text), "m.wasm", strings.Repeat("\x00", 16<<20+1)), "larger than 16777216"},
		"a wrong manifest": {zipped("plugin.yaml", "name: 1", "m.wasm", ""), "plugin.yaml: "},
	} {
		if _, _, err := plugins.Read(put(t, filepath.Join(dir, "bad.tgplug"), c.file)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	if _, _, err := plugins.Read(put(t, filepath.Join(dir, "x", "plugin.yaml"), text)); err == nil || !strings.Contains(err.Error(), "name its folder") {
		t.Errorf("%v", err)
	}
	if _, _, err := plugins.Read(filepath.Join(dir, "nothing.tgplug")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestFolderOfPacks: a directory of plug-ins holds folders and packed files, each under the name of its plug-in, and none in both forms.
func TestFolderOfPacks(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir, module := t.TempDir(), []byte("module")
	write := func(file, name string) {
		t.Helper()
		packed, err := plugins.Pack(packable(name, module), module)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, file), packed)
	}
	write("packed.tgplug", "packed")
	write("other.tgplug", "renamed")
	write(".hidden.tgplug", "hidden")
	put(t, filepath.Join(dir, "README.md"), []byte("about"))
	put(t, filepath.Join(dir, "folder", "plugin.yaml"), packable("folder", module))
	put(t, filepath.Join(dir, "folder", "m.wasm"), module)
	f, err := plugins.OpenFolder(dir, b.r)
	if err != nil {
		t.Fatal(err)
	}
	if names, err := f.Names(); err != nil || strings.Join(names, " ") != "folder other packed" {
		t.Errorf("%v, %v", names, err)
	}
	if err := f.LoadAll(context.Background()); err == nil || !strings.Contains(err.Error(), "the manifest in other.tgplug is that of renamed") || strings.Contains(err.Error(), "plug-in packed") {
		t.Errorf("%v", err)
	}
	var names []string
	for _, i := range b.r.List() {
		names = append(names, i.Identity.Name)
	}
	if strings.Join(names, " ") != "folder packed" {
		t.Errorf("%v", names)
	}
	put(t, filepath.Join(dir, "packed", "plugin.yaml"), packable("packed", module))
	if err := f.Reload(context.Background(), "packed"); !errors.Is(err, plugins.ErrState) || !strings.Contains(err.Error(), "take one of them away") {
		t.Errorf("%v", err)
	}
}
