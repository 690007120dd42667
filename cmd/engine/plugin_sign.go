package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tidegate/engine/plugins"
)

const pluginKeygenExamples = `  engine plugin keygen --out ops.key ops          # prints what goes into plugins.trusted_keys

The file holds the private key, readable by its owner alone: keep it away from the machines that run the engine.
`

const pluginSignExamples = `  engine plugin sign --key ops.key --key-id ops lot-size

The signature covers all of plugin.yaml, and by its sha256 the module: sign after the last change. engine plugin build takes it out.
`

func runPluginKeygen(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin keygen", "[flags] ID", pluginKeygenExamples)
	out := f.String("out", "", "the `file` for the private key, which must not be there yet")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	id, err := one(positional, "the id of the key")
	switch {
	case err == nil && *out == "":
		err = errors.New("--out is missing: the private key needs a file")
	case err == nil && strings.ContainsAny(id, "=, \t\"'"):
		err = errors.New("an id has no spaces, quotes, commas and equal signs")
	}
	if err != nil {
		return misuse(stderr, "engine plugin keygen", err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return failure(stderr, "plugin keygen", err)
	}
	file, err := os.OpenFile(*out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s is there already, and may be in use: choose another name", *out)
	}
	if err != nil {
		return failure(stderr, "plugin keygen", err)
	}
	_, err = file.WriteString(base64.StdEncoding.EncodeToString(private.Seed()) + "\n")
	trusted := id + "=" + base64.StdEncoding.EncodeToString(public)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil && *asJSON {
		err = printObject(stdout, map[string]string{"key_id": id, "file": *out, "trusted_key": trusted})
	} else if err == nil {
		_, err = fmt.Fprintln(stdout, trusted)
	}
	if err != nil {
		return failure(stderr, "plugin keygen", err)
	}
	return exitOK
}

func runPluginSign(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin sign", "[flags] FOLDER", pluginSignExamples)
	key := f.String("key", "", "the `file` with the private key, of engine plugin keygen")
	id := f.String("key-id", "", "its `id`, by which plugins.trusted_keys know it")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	dir, err := folder(positional)
	if err == nil && (*key == "" || *id == "") {
		err = errors.New("--key and --key-id are wanted")
	}
	if err != nil {
		return misuse(stderr, "engine plugin sign", err)
	}
	manifest := filepath.Join(dir, plugins.ManifestFile)
	if err = signPlugin(dir, *key, *id); err == nil && *asJSON {
		err = printObject(stdout, map[string]string{"manifest": manifest, "key_id": *id})
	} else if err == nil {
		_, err = fmt.Fprintf(stdout, "%s is signed by %s\n", manifest, *id)
	}
	if err != nil {
		return failure(stderr, "plugin sign", err)
	}
	return exitOK
}

// signPlugin puts a signature into a manifest. Everything else in the file stays as it is.
func signPlugin(dir, keyFile, id string) error {
	private, err := readPrivateKey(keyFile)
	if err != nil {
		return err
	}
	m, module, err := plugins.ReadFolder(dir)
	if err != nil {
		return err
	}
	if in := inspectHash(module); in != m.SHA256 {
		return fmt.Errorf("the module's SHA-256 is %s and not that of the manifest: run engine plugin build first", in)
	}
	if err := m.Sign(id, private); err != nil {
		return err
	}
	path := filepath.Join(dir, plugins.ManifestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text = signatureBlock.ReplaceAll(text, nil)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	text = fmt.Appendf(text, "signature: {key_id: %q, sig: %q}\n", id, m.Signature.Sig)
	again, err := plugins.ParseManifest(text)
	if err != nil {
		return err
	}
	if err := again.Verify(map[string]ed25519.PublicKey{id: private.Public().(ed25519.PublicKey)}); err != nil {
		return err
	}
	return replaceFile(path, text)
}

func readPrivateKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--key: %s is not there: engine plugin keygen makes a key", path)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("--key: %s is a folder: name the file of the private key", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %#o): chmod 600 it, and if they may have read it, make another key", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds no key of engine plugin keygen", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
