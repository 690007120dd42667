package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/tidegate/engine/plugins"
)

const pluginBuildExamples = `  engine plugin build lot-size
  engine plugin build --module rule.wasm lot-size      # another language: it is built already

The Go package in the folder is compiled with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared, and the hash of the module goes into plugin.yaml.
A signature of the manifest before is taken out: sign it again.
`

// builtModule is what --json prints.
type builtModule struct {
	Module string `json:"module"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

func runPluginBuild(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin build", "[flags] FOLDER", pluginBuildExamples)
	module := f.String("module", "", "the `file` with a module that is built already")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := folder(positional)
	if err != nil {
		return misuse(stderr, "engine plugin build", err)
	}
	b, err := buildPlugin(ctx, dir, *module, stderr)
	if err != nil {
		return failure(stderr, "plugin build", err)
	}
	if *asJSON {
		err = printObject(stdout, b)
	} else {
		_, err = fmt.Fprintf(stdout, "%s: %d bytes, sha256 %s\n", b.Module, b.Size, b.SHA256)
	}
	if err != nil {
		return failure(stderr, "plugin build", err)
	}
	return exitOK
}

// signatureBlock is a signature in the text of a manifest, on one line or on several.
var signatureBlock = regexp.MustCompile(`(?m)^signature:[^\n]*(?:\n|\z)(?:[ \t]+[^\n]*(?:\n|\z))*`)

// moduleLine is the name of the module in the text of a manifest.
var moduleLine = regexp.MustCompile(`(?m)^module:[ \t]*["']?([A-Za-z0-9._-]+)`)

// buildPlugin compiles the module of a folder, or takes one that is there, and writes its hash down. What the manifest says besides is checked afterwards,
// so that a new one has its hash before it has to be right.
func buildPlugin(ctx context.Context, dir, ready string, stderr io.Writer) (b builtModule, err error) {
	path := filepath.Join(dir, plugins.ManifestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return b, fmt.Errorf("%w: it is the folder of a plug-in that is wanted (engine plugin new makes one)", err)
	}
	named := moduleLine.FindSubmatch(text)
	if named == nil {
		return b, fmt.Errorf("%s: module: say what the module's file is called, without a folder", path)
	}
	b.Module = filepath.Join(dir, string(named[1]))
	code, err := moduleOf(ctx, dir, ready, b.Module, stderr)
	if err != nil {
		return b, err
	}
	sum := sha256.Sum256(code)
	b.Size, b.SHA256 = len(code), hex.EncodeToString(sum[:])
	text = setManifestLine(signatureBlock.ReplaceAll(text, nil), "sha256", `"`+b.SHA256+`"`)
	if err := replaceFile(path, text); err != nil {
		return b, err
	}
	_, err = plugins.ParseManifest(text)
	return b, err
}

// moduleOf brings the module to its place and returns it.
func moduleOf(ctx context.Context, dir, ready, to string, stderr io.Writer) ([]byte, error) {
	if ready != "" {
		if info, err := os.Stat(ready); err == nil && info.IsDir() {
			return nil, fmt.Errorf("--module: %s is a folder: name the file of the module", ready)
		}
		code, err := os.ReadFile(ready)
		if err == nil && !bytes.HasPrefix(code, []byte("\x00asm")) {
			return nil, fmt.Errorf("--module: %s is no WebAssembly module", ready)
		}
		if err == nil && filepath.Clean(ready) != filepath.Clean(to) {
			err = replaceFile(to, code)
		}
		return code, err
	}
	if !hasGo(dir, ".go") {
		return nil, errors.New("the folder has no Go files: build the module with the tools of its language and name it with --module")
	}
	tmp, err := os.MkdirTemp("", "engine-plugin-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "module.wasm")
	env := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}
	if err := goTool(ctx, dir, env, stderr, "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "."); err != nil {
		return nil, withSums(dir, err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return code, replaceFile(to, code)
}

// withSums says what a folder needs that is a module of its own and was never tidied: Go's own advice names the wrong module.
func withSums(dir string, err error) error {
	if _, no := os.Stat(filepath.Join(dir, "go.mod")); no != nil {
		if !insideModule(dir) {
			return fmt.Errorf("%w: %s lies in no Go module: engine plugin new writes a go.mod, and `go mod init` makes one", err, dir)
		}
		return err
	}
	if _, no := os.Stat(filepath.Join(dir, "go.sum")); no == nil {
		return err
	}
	return fmt.Errorf("%w: run `go mod tidy` in %s first, which fetches what its go.mod names", err, dir)
}
