package lint

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

// vague lists names that say where something was put and not what it is.
func vague(name string) bool {
	switch strings.ToLower(name) {
	case "util", "utils", "common", "helper", "helpers", "misc", "types", "models", "manager", "managers":
		return true
	}
	return false
}

func checkNames(t *Tree, r report) {
	for _, f := range t.parsed() {
		if p := strings.TrimSuffix(f.ast.Name.Name, "_test"); vague(p) || vague(path.Base(f.dir())) {
			r(f.path, t.line(f.ast.Package), p, "package %s: a name says what is inside", p)
		}
		for _, piece := range strings.Split(f.base(), "_") {
			if vague(piece) {
				r(f.path, 0, "", "file name %s: a file is named after its idea", path.Base(f.path))
			}
		}
	}
}

// checkTestNames wants a test to be named after what it tests: conn_test.go and conn_limits_test.go beside conn.go, fence_test.go where the
// package declares Fence, closures_test.go where the package's comment speaks of closures. A test of the package as a whole has the
// package's name; examples, exports for tests, benchmarks and model tests are named by what they are.
func checkTestNames(t *Tree, r report) {
	for dir, files := range t.packages {
		if !slices.ContainsFunc(files, func(f *file) bool { return !f.isTest() }) {
			continue // a folder of tests alone
		}
		if t.foreign(files[0]) {
			continue // a module of benchmarks names its tests after what they measure
		}
		sources := []string{"export", "example", "bench", "main", "model", path.Base(dir)}
		if dir == "." {
			sources = append(sources, "engine")
		}
		for _, f := range files {
			if !f.isTest() {
				sources = append(append(sources, f.base()), declared(f)...)
			}
		}
		for _, f := range files {
			beside := func(source string) bool { return f.base() == source || strings.HasPrefix(f.base(), source+"_") }
			if f.isTest() && !slices.ContainsFunc(sources, beside) {
				r(f.path, 0, "", "nothing in the package gives %s its name: name it after the file, the type or the function that it tests", path.Base(f.path))
			}
		}
	}
}

// declared returns the names of the functions, methods and types of a file, and the words of its package comment, in lower case.
func declared(f *file) []string {
	if f.err != nil {
		return nil
	}
	var found []string
	if f.ast.Doc != nil {
		for _, w := range strings.FieldsFunc(strings.ToLower(f.ast.Doc.Text()), func(r rune) bool { return r < 'a' || r > 'z' }) {
			if len(w) > 3 {
				found = append(found, w, w+"s")
			}
		}
	}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			found = append(found, strings.ToLower(d.Name.Name))
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok {
					found = append(found, strings.ToLower(spec.Name.Name))
				}
			}
		}
	}
	return found
}
