package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the module path of the tree.
const Module = "github.com/tidegate/engine"

// Tree is what the rules look at.
type Tree struct {
	files    []*file
	packages map[string][]*file // Go files by directory; "." is the root
	modules  []string           // directories of modules of their own inside the tree
	fset     *token.FileSet
}

// file is one file of the tree.
type file struct {
	path    string
	size    int64
	content []byte // nil when too big to be text
	ast     *ast.File
	err     error // why it does not parse
}

// maxText is the size up to which a file is read.
const maxText = 1 << 20

// Load reads the files with the given paths.
func Load(fsys fs.FS, paths []string) (*Tree, error) {
	t := &Tree{packages: map[string][]*file{}, fset: token.NewFileSet()}
	for _, p := range paths {
		info, err := fs.Stat(fsys, p)
		if err != nil {
			return nil, fmt.Errorf("lint: %w", err)
		}
		f := &file{path: p, size: info.Size()}
		t.files = append(t.files, f)
		if path.Base(p) == "go.mod" && p != "go.mod" {
			t.modules = append(t.modules, f.dir())
		}
		if f.size > maxText {
			continue
		}
		if f.content, err = fs.ReadFile(fsys, p); err != nil {
			return nil, fmt.Errorf("lint: %w", err)
		}
		if path.Ext(p) == ".go" && !strings.Contains("/"+p, "/testdata/") {
			f.ast, f.err = parser.ParseFile(t.fset, p, f.content, parser.ParseComments|parser.SkipObjectResolution)
			t.packages[f.dir()] = append(t.packages[f.dir()], f)
		}
	}
	return t, nil
}

// Files lists what belongs to the project under root: what git tracks or would track, or every file where there is no git.
func Files(root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		if paths, err := gitFiles(root); err == nil {
			return paths, nil
		}
	}
	var paths []string
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, p)
		}
		return err
	})
	return paths, err
}

func gitFiles(root string) ([]string, error) {
	git := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = root
	out, err := git.Output()
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, p := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(p)))
		if err == nil && info.Mode().IsRegular() { // a tracked file may be deleted in the work tree
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

func (f *file) dir() string { return path.Dir(f.path) }

// foreign reports whether the file belongs to a module of its own, whose dependencies are not those of the engine.
func (t *Tree) foreign(f *file) bool {
	return slices.ContainsFunc(t.modules, func(dir string) bool { return within(f.dir(), dir+"/...") })
}

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// base returns the file's name without .go, _test and the operating systems and architectures that select it.
func (f *file) base() string {
	name := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
	for {
		i := strings.LastIndexByte(name, '_')
		if i < 0 || !platform(name[i+1:]) {
			return name
		}
		name = name[:i]
	}
}

func platform(s string) bool {
	switch s {
	case "linux", "darwin", "windows", "unix", "freebsd", "openbsd", "netbsd", "wasip1", "js", "amd64", "arm64", "386", "arm", "wasm":
		return true
	}
	return false
}

// isText reports whether the file was read and holds no NUL byte.
func (f *file) isText() bool { return f.content != nil && bytes.IndexByte(f.content, 0) < 0 }

// parsed returns the Go files that parse.
func (t *Tree) parsed() []*file {
	return slices.DeleteFunc(slices.Clone(t.files), func(f *file) bool { return f.ast == nil || f.err != nil })
}

// line returns the line of a position.
func (t *Tree) line(p token.Pos) int { return t.fset.Position(p).Line }

// imports returns the paths that the file imports, each with its line.
func (t *Tree) imports(f *file) map[string]int {
	found := map[string]int{}
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			found[p] = t.line(spec.Pos())
		}
	}
	return found
}
