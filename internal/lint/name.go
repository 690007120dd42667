package lint

import (
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

// checkTestNames wants a test to stand beside what it tests: conn_test.go and conn_fence_test.go beside conn.go. A test of the package as
// a whole has the package's name; example_*, export_test.go and benchmarks of the package are named by what they are.
func checkTestNames(t *Tree, r report) {
	for dir, files := range t.packages {
		sources := []string{"export", "example", "bench", "main", path.Base(dir)}
		if dir == "." {
			sources = append(sources, "engine")
		}
		for _, f := range files {
			if !f.isTest() {
				sources = append(sources, f.base())
			}
		}
		for _, f := range files {
			beside := func(source string) bool { return f.base() == source || strings.HasPrefix(f.base(), source+"_") }
			if f.isTest() && !slices.ContainsFunc(sources, beside) {
				r(f.path, 0, "", "no source file gives %s its name: name it after what it tests", path.Base(f.path))
			}
		}
	}
}
