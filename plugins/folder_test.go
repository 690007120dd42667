package plugins_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
)

// TestFolderWithALinkToNothing: a link in the directory was meant to be a rule. Where it leads nowhere, the engine must not start without that rule.
func TestFolderWithALinkToNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := t.TempDir()
	for name, target := range map[string]string{"limits": "v7", "packed" + plugins.PackExt: "v8" + plugins.PackExt} {
		if err := os.Symlink(filepath.Join(dir, ".releases", target), filepath.Join(dir, name)); err != nil {
			t.Skip("no links here:", err)
		}
	}
	f, err := plugins.OpenFolder(dir, b.r)
	if err != nil {
		t.Fatal(err)
	}
	if names, err := f.Names(); err != nil || strings.Join(names, " ") != "limits packed" {
		t.Errorf("%v, %v", names, err)
	}
	err = f.LoadAll(t.Context())
	for _, want := range []string{"plug-in limits: ", "plug-in packed: ", "is a link that leads nowhere"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	put(t, filepath.Join(dir, ".releases", "v7", "plugin.yaml"), packable("limits", []byte("module")))
	put(t, filepath.Join(dir, ".releases", "v7", "m.wasm"), []byte("module"))
	if err := f.Reload(t.Context(), "limits"); err != nil {
		t.Errorf("once it leads somewhere: %v", err)
	}
}

// TestFolderOpenToEverybody: who may write to a manifest or a module may have any row accepted, whatever the mode of the directory around it is.
func TestFolderOpenToEverybody(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	b := newBed(t)
	dir, module := t.TempDir(), []byte("module")
	packed, err := plugins.Pack(packable("packed", module), module)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "packed"+plugins.PackExt), packed)
	put(t, filepath.Join(dir, "limits", "plugin.yaml"), packable("limits", module))
	put(t, filepath.Join(dir, "limits", "m.wasm"), module)
	f, err := plugins.OpenFolder(dir, b.r)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"limits", "limits/plugin.yaml", "limits/m.wasm", "packed" + plugins.PackExt} {
		path := filepath.Join(dir, filepath.FromSlash(at))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, info.Mode()|0o002); err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(at, plugins.PackExt), "/")
		if err := f.Reload(t.Context(), name); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
			t.Errorf("%s is open to everybody: %v", at, err)
		}
		if err := os.Chmod(path, info.Mode()); err != nil {
			t.Fatal(err)
		}
		if err := f.Reload(t.Context(), name); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
}
