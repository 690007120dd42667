package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An author who gets something wrong is told what, and what to do.
func TestPluginMistakes(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	dir := filepath.Join(work, "lot-size")
	must(t, "plugin", "new", "--out", dir, "--table", "trades", "lot-size")
	manifest := filepath.Join(dir, "plugin.yaml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(work, "tiny.wasm")
	write(t, module, "\x00asm\x01\x00\x00\x00")
	must(t, "plugin", "build", "--module", module, dir)
	built, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(work, "ops.key")
	must(t, "plugin", "keygen", "--out", key, "ops")
	with := func(old, new string) {
		t.Helper()
		changed := strings.Replace(string(built), old, new, 1)
		if changed == string(built) {
			t.Fatalf("the manifest has no %q", old)
		}
		write(t, manifest, changed)
	}
	refuses := func(says string, args ...string) {
		t.Helper()
		o := program(t, append([]string{"plugin"}, args...)...)
		if o.code == exitOK || !strings.Contains(o.stdout+o.stderr, says) {
			t.Errorf("%v: code %d, %s%s; want %q", args, o.code, o.stdout, o.stderr, says)
		}
	}
	for _, verb := range []string{"build", "pack"} {
		refuses("is the manifest: name its folder", verb, manifest)
		refuses("is a file: name the folder that holds plugin.yaml", verb, module)
	}
	refuses("is a file: name the folder", "sign", "--key", key, "--key-id", "ops", module)
	refuses("is a module without its manifest", "test", module)
	refuses("engine plugin keygen makes a key", "sign", "--key", key+"x", "--key-id", "ops", dir)
	refuses("is a folder: name the file of the private key", "sign", "--key", dir, "--key-id", "ops", dir)
	refuses("is no WebAssembly module", "build", "--module", manifest, dir)
	refuses("is a folder: name the file of the module", "build", "--module", dir, dir)
	refuses(filepath.Join("nowhere", "lot-size.tgplug")+" cannot be written: no such file or directory", "pack", "--out", filepath.Join(work, "nowhere", "lot-size.tgplug"), dir)
	refuses("lies in no Go module", "build", noModule(t, dir))
	refuses(`"../desk" is no name of a plug-in`, "load", "../desk")
	refuses(`"plugins/desk" is no name of a plug-in`, "quarantine", "plugins/desk")

	for _, verb := range []string{"test", "inspect", "bench"} {
		with("abi: 1", "abi: 1\nkind: builtin")
		refuses("is of kind builtin, a value of the program without a module", verb, dir)
		with("abi: 1", "abi: 1\nkind: process")
		refuses("is of kind process, for which this program has no host", verb, dir)
		with("abi: 1", "abi: 1\nengine: '>=9'")
		refuses("does not take this engine", verb, dir)
		with("least: 1", "leest: 1")
		refuses(dir+": plugin.yaml: config.leest: unknown", verb, dir)
	}
	write(t, manifest, string(text)) // of no module that is there
	refuses("engine plugin build writes", "test", dir)
	write(t, manifest, string(built))
	refuses("holds no clone of the engine", "new", "--sdk", work, "--out", filepath.Join(work, "other"), "other")
}

// noModule is a copy of a folder's Go file that belongs to no module.
func noModule(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	write(t, filepath.Join(to, "plugin.yaml"), string(text))
	write(t, filepath.Join(to, "rule.go"), "package main\n\nfunc main() {}\n")
	return to
}

// A manifest whose last line is a signature without a line's end is signed anew, and built anew without it.
func TestPluginSignatureAtTheEnd(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	dir, key, module := filepath.Join(work, "lot-size"), filepath.Join(work, "ops.key"), filepath.Join(work, "tiny.wasm")
	must(t, "plugin", "new", "--out", dir, "lot-size")
	write(t, module, "\x00asm\x01\x00\x00\x00")
	must(t, "plugin", "build", "--module", module, dir)
	var made struct {
		KeyID   string `json:"key_id"`
		Trusted string `json:"trusted_key"`
	}
	if err := json.Unmarshal([]byte(must(t, "plugin", "keygen", "--json", "--out", key, "ops").stdout), &made); err != nil || made.KeyID != "ops" || !strings.HasPrefix(made.Trusted, "ops=") {
		t.Errorf("%+v, %v", made, err)
	}
	manifest := filepath.Join(dir, "plugin.yaml")
	cut := func() {
		t.Helper()
		text, err := os.ReadFile(manifest)
		if err != nil || strings.Count(string(text), "\nsignature:") != 1 {
			t.Fatalf("%s, %v", text, err)
		}
		write(t, manifest, strings.TrimSuffix(string(text), "\n"))
	}
	must(t, "plugin", "sign", "--json", "--key", key, "--key-id", "ops", dir)
	cut()
	must(t, "plugin", "sign", "--key", key, "--key-id", "ops", dir)
	cut()
	must(t, "plugin", "build", "--module", module, dir)
	if text, err := os.ReadFile(manifest); err != nil || strings.Contains(string(text), "signature:") {
		t.Errorf("%s, %v", text, err)
	}
}

// A rule outside of the engine's clone builds with the SDK of the clone.
func TestPluginNewWithSDK(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "lot-size")
	o := must(t, "plugin", "new", "--sdk", root, "--out", dir, "lot-size")
	if strings.Contains(o.stdout, "note:") {
		t.Errorf("%s", o.stdout)
	}
	must(t, "plugin", "build", dir)
	if o := program(t, "plugin", "new", "--sdk", root, "--out", filepath.Join(dir, "inner"), "inner"); o.code != exitUsage || !strings.Contains(o.stderr, "lies in a Go module") {
		t.Errorf("code %d, %s", o.code, o.stderr)
	}
	if o := must(t, "plugin", "new", "--out", filepath.Join(t.TempDir(), "bare"), "bare"); !strings.Contains(o.stdout, "--sdk takes it from a clone") {
		t.Errorf("%s", o.stdout)
	}
}
