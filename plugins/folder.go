package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// ManifestFile is the name of the manifest in the folder of a plug-in.
const ManifestFile = "plugin.yaml"

// maxModule is how large a module may be.
const maxModule = 16 << 20

// ReadFolder reads a plug-in from its folder: the manifest, and the module that it names.
//
// # Errors
//
// A *[ManifestError]; or what keeps a file from being read, with its path. Whether the module is the manifest's is for the host to say.
func ReadFolder(dir string) (*Manifest, []byte, error) {
	text, err := readFile(filepath.Join(dir, ManifestFile), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s holds no %s: it is the folder of a plug-in that is wanted (engine plugin new makes one): %w", dir, ManifestFile, err)
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := ParseManifest(text)
	if err != nil {
		return nil, nil, err
	}
	if m.Kind == KindBuiltin {
		return m, nil, nil // the program brings it along
	}
	module, err := readFile(filepath.Join(dir, m.Module), maxModule)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil, fmt.Errorf("the module of plug-in %s is missing: build it (engine plugin build %s): %w", m.Name, dir, err)
	}
	return m, module, err
}

func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return b, err
}

// Folder loads plug-ins into a registry from a directory that has a folder or a packed file for each, named after it. It is safe for concurrent use.
type Folder struct {
	dir string
	r   *Registry
}

// OpenFolder returns the plug-ins of a directory. It loads none yet.
//
// # Errors
//
// The directory cannot be read, or anybody may write to it: who can change a rule can have any row accepted.
func OpenFolder(dir string, r *Registry) (*Folder, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is no directory", dir)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	return &Folder{dir: dir, r: r}, nil
}

// private refuses paths that everybody may write to; one that is not there is somebody else's business.
func private(paths ...string) error {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0 {
			return fmt.Errorf("everybody may write to %s, and so change the rules: chmod o-w it", path)
		}
	}
	return nil
}

// Names lists the plug-ins that the directory holds: folders, and files that engine plugin pack has made. Entries that begin with a dot, and other files, are not
// looked at. One that is there in both forms is listed once, and cannot be loaded.
func (f *Folder) Names() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(f.dir, e.Name())) // a link to a folder is one
		switch name, packed := strings.CutSuffix(e.Name(), PackExt); {
		case err != nil: // such as a link that leads nowhere: what was meant to be a rule must not be passed over
			names = append(names, name)
		case info.IsDir():
			names = append(names, e.Name())
		case packed:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// LoadAll loads every plug-in of the directory.
//
// # Errors
//
// All that went wrong, each with the name of the plug-in; the others are loaded. A caller that goes on would leave tables unguarded that an
// operator believes to be guarded.
func (f *Folder) LoadAll(ctx context.Context) error {
	names, err := f.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if err := f.Reload(ctx, name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Load loads a plug-in that is not in service.
//
// # Errors
//
// ErrState where it is in service already; else those of Reload.
func (f *Folder) Load(ctx context.Context, name string) error {
	for _, i := range f.r.List() {
		if i.Identity.Name == name {
			return fmt.Errorf("%w: plug-in %s %s is in service already: reload it", ErrState, name, i.Identity.Version)
		}
	}
	return f.Reload(ctx, name)
}

// Reload loads a plug-in anew from its folder or its packed file. When it fails, the version before stays in service.
//
// # Errors
//
// Those of [ReadFolder] and of [Registry.Load], with the name; ErrState where the directory has no such plug-in.
func (f *Folder) Reload(ctx context.Context, name string) error {
	if !nameForm.MatchString(name) { // what could lead out of the directory
		return fmt.Errorf("%w: %q is no name of a plug-in", ErrState, name)
	}
	m, module, err := f.read(name)
	if err == nil {
		_, err = f.r.Load(ctx, m, module)
	}
	if err != nil {
		return fmt.Errorf("plug-in %s: %w", name, err)
	}
	return nil
}

// read reads a plug-in of the directory.
func (f *Folder) read(name string) (*Manifest, []byte, error) {
	dir := filepath.Join(f.dir, name)
	pack := dir + PackExt
	_, noFolder := os.Stat(dir)
	_, noPack := os.Stat(pack)
	switch {
	case noFolder == nil && noPack == nil:
		return nil, nil, fmt.Errorf("%w: there are a folder and a packed file of it: take one of them away", ErrState)
	case errors.Is(noFolder, fs.ErrNotExist) && errors.Is(noPack, fs.ErrNotExist):
		for _, path := range []string{dir, pack} {
			if _, err := os.Lstat(path); err == nil {
				return nil, nil, fmt.Errorf("%w: %s is a link that leads nowhere: mend it, or take it away", ErrState, path)
			}
		}
		return nil, nil, fmt.Errorf("%w: %[2]s holds no plug-in %[3]s: put its folder there, or %[3]s%[4]s", ErrState, f.dir, name, PackExt)
	}
	from := dir
	if noPack == nil {
		from = pack
	}
	if err := private(from, filepath.Join(from, ManifestFile)); err != nil {
		return nil, nil, err
	}
	m, module, err := Read(from)
	if err == nil && from == dir && m.Kind != KindBuiltin {
		err = private(filepath.Join(from, m.Module))
	}
	if err == nil && m.Name != name {
		err = fmt.Errorf("%w: the manifest in %s is that of %s: call the folder or the file after the plug-in", ErrState, filepath.Base(from), m.Name)
	}
	return m, module, err
}
