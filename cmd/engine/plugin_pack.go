package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tidegate/engine/plugins"
)

const pluginPackExamples = `  engine plugin pack lot-size                                    # lot-size.tgplug, here
  engine plugin pack --key ops.key --key-id ops lot-size         # signed first
  engine plugin pack --out /etc/tidegate/plugins/lot-size.tgplug lot-size

One file with plugin.yaml, as it is with its configuration, schema, tests and signature, and the module. It lies in plugins.dir under the name of its plug-in, in the
place of a folder; inspect, test, bench and replay take it, too. It is a ZIP archive: unzip takes it apart.
`

// packedPlugin is what --json prints.
type packedPlugin struct {
	File    string `json:"file"`
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	Size    int    `json:"size"`
	SHA256  string `json:"sha256"` // of the file
	Signed  string `json:"signed"` // by the key of this id; "" where there is no signature
}

func runPluginPack(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin pack", "[flags] FOLDER", pluginPackExamples)
	out := f.String("out", "", "the `file` to write; its name is that of the plug-in with "+plugins.PackExt)
	key := f.String("key", "", "sign with the private key in this `file`, of engine plugin keygen")
	id := f.String("key-id", "", "its `id`, by which plugins.trusted_keys know it")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := folder(positional)
	if err == nil && (*key == "") != (*id == "") {
		err = errors.New("--key and --key-id go together")
	}
	if err != nil {
		return misuse(stderr, "engine plugin pack", err)
	}
	var p packedPlugin
	if *key != "" {
		err = signPlugin(dir, *key, *id)
	}
	if err == nil {
		p, err = packPlugin(dir, *out)
	}
	if err != nil {
		return failure(stderr, "plugin pack", err)
	}
	if *asJSON {
		err = printObject(stdout, p)
	} else {
		signed := "not signed"
		if p.Signed != "" {
			signed = "signed by " + p.Signed
		}
		_, err = fmt.Fprintf(stdout, "%s: %s %s, %d bytes, %s\n", p.File, p.Plugin, p.Version, p.Size, signed)
	}
	if err != nil {
		return failure(stderr, "plugin pack", err)
	}
	return exitOK
}

// packPlugin writes the file of a folder.
func packPlugin(dir, out string) (p packedPlugin, err error) {
	m, module, err := plugins.ReadFolder(dir)
	if err != nil {
		return p, err
	}
	name := m.Name + plugins.PackExt
	switch {
	case out == "":
		out = name
	case filepath.Base(out) != name:
		return p, fmt.Errorf("--out: a packed plug-in is called after itself: %s", filepath.Join(filepath.Dir(out), name))
	}
	text, err := os.ReadFile(filepath.Join(dir, plugins.ManifestFile))
	if err != nil {
		return p, err
	}
	packed, err := plugins.Pack(text, module)
	if err != nil {
		return p, err
	}
	p = packedPlugin{File: out, Plugin: m.Name, Version: m.Version, Size: len(packed), SHA256: inspectHash(packed)}
	if m.Signature != nil {
		p.Signed = m.Signature.KeyID
	}
	return p, replaceFile(out, packed)
}
