package plugins

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// PackExt is how the name of a packed plug-in ends: one file with the manifest and the module.
const PackExt = ".tgplug"

// maxManifest is how large a manifest may be.
const maxManifest = 1 << 20

// Pack makes one file of a plug-in: a ZIP archive that holds plugin.yaml as it is, comments and signature included, and the module. The same plug-in gives the same
// bytes.
//
// # Errors
//
// A *ManifestError; that the module is not the manifest's, or that there is none to pack.
func Pack(manifest, module []byte) ([]byte, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	if m.Kind == KindBuiltin {
		return nil, fmt.Errorf("plug-in %s is built in: it has no module, and its plugin.yaml is all there is", m.Name)
	}
	if sum := sha256.Sum256(module); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("the module's SHA-256 is %x and not that of the manifest: run engine plugin build first, then sign", sum)
	}
	if len(module) > maxModule {
		return nil, fmt.Errorf("the module of plug-in %s is larger than %d bytes", m.Name, maxModule)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range []struct {
		name string
		text []byte
	}{{ManifestFile, manifest}, {m.Module, module}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: part.name, Method: zip.Deflate})
		if err == nil {
			_, err = w.Write(part.text)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// packError says why a file is no packed plug-in.
func packError(path, why string) error {
	return fmt.Errorf("%s is no plug-in of engine plugin pack: %s", path, why)
}

// ReadPack reads a packed plug-in. Everything in the file is bounded and nothing of it is written anywhere.
//
// # Errors
//
// Those of [ReadFolder]; that the file is no packed plug-in.
func ReadPack(path string) (*Manifest, []byte, error) {
	raw, err := readFile(path, maxModule+maxManifest+(64<<10))
	if err != nil {
		return nil, nil, err
	}
	if bytes.HasPrefix(raw, []byte("\x00asm")) {
		return nil, nil, packError(path, "it is a module without its manifest: name the folder of both")
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, nil, packError(path, strings.TrimPrefix(err.Error(), "zip: "))
	}
	if len(z.File) != 2 || z.File[0].Name != ManifestFile {
		return nil, nil, packError(path, "it must hold "+ManifestFile+" and then the module, and nothing else")
	}
	text, err := unpacked(z.File[0], maxManifest)
	if err != nil {
		return nil, nil, packError(path, err.Error())
	}
	m, err := ParseManifest(text)
	if err != nil {
		return nil, nil, err
	}
	if z.File[1].Name != m.Module {
		return nil, nil, packError(path, "its second part is not the module that its manifest names")
	}
	module, err := unpacked(z.File[1], maxModule)
	if err != nil {
		return nil, nil, packError(path, err.Error())
	}
	return m, module, nil
}

func unpacked(f *zip.File, most int64) ([]byte, error) {
	if !f.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is no file", f.Name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%q is larger than %d bytes", f.Name, most)
	}
	return b, nil
}

// Read reads a plug-in from its folder, or from the file that it was packed into.
//
// # Errors
//
// Those of [ReadFolder] and [ReadPack].
func Read(path string) (*Manifest, []byte, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		if filepath.Base(path) == ManifestFile {
			return nil, nil, fmt.Errorf("%s is the manifest: name its folder", path)
		}
		return ReadPack(path)
	}
	return ReadFolder(path)
}
