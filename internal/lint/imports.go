package lint

import (
	"slices"
	"strings"
)

// zone says which packages of ours those under a directory may import. A pattern is a directory, "." the root package, "…/..." a directory
// with all below it. The first zone that matches counts.
type zone struct {
	who   string
	may   []string
	tests []string // what tests may import besides
	not   []string // excluded again from may
	deep  []string // never reached, by whatever way
	own   bool     // the packages of one folder of the zone, core/x and core/x/y, know each other
}

// zones is the table of docs/ARCHITECTURE.md.
func zones() []zone {
	const (
		root     = "."
		sdk      = "sdk/..."
		core     = "core/..."
		internal = "internal/..."
	)
	library := []string{root, core}
	return []zone{
		{who: "sdk", may: []string{"sdk/abi"}, tests: []string{"sdk/sdktest"}, deep: library},
		{who: "sdk/abi", deep: library},
		{who: "sdk/...", may: []string{sdk}, deep: library},
		{who: "policies/...", may: []string{"sdk"}, tests: []string{"sdk/...", "plugins/...", internal}, own: true, deep: library},
		{who: "core/sqlite/...", may: []string{sdk, internal}, own: true, deep: []string{root}},
		{who: "core/retry", may: []string{"core/sqlite", internal}, deep: []string{root, "core/lane"}}, // pure policy, which the lanes ask
		{who: "core/lane/...", may: []string{"core/sqlite", "core/retry", sdk, internal}, own: true, deep: []string{root}},
		{who: core, may: []string{"core/sqlite", "core/retry", "core/lane", sdk, internal}, own: true, deep: []string{root}},
		{who: root, may: []string{"sdk", "sdk/contract", core, "migrations", internal}, tests: []string{"enginetest", "plugins/...", "policies/...", "sdk/..."}},
		{who: "enginetest", may: []string{root, core, "migrations", internal}},
		{who: "plugins/...", may: []string{sdk, "plugins/...", internal}, deep: library},
		{who: "migrations", tests: []string{"core/migrate", "core/sqlite", internal}, deep: library},
		{who: "config", may: []string{root, sdk, core, "plugins/...", "policies/...", "migrations", internal}},
		{who: "dashboard", may: []string{root, core, internal}},
		{who: "cmd/...", may: []string{"..."}},
		{who: "examples/...", may: []string{"..."}, tests: []string{internal}, not: []string{internal}}, // what an embedder cannot import is no example
		{who: "docs", tests: []string{root, "plugins", "sdk/abi"}},
		{who: "internal/lint"},
		{who: "internal/server/...", may: []string{root, "config", "plugins", internal}},
		{who: internal, may: []string{root, sdk, core, "plugins/...", "policies/...", "migrations", internal}},
	}
}

// thirdParty says where modules of others may be imported. The longest prefix counts.
func thirdParty() map[string][]string {
	process := []string{"plugins/process/...", "sdk/process/..."}
	command := []string{"cmd/..."}
	return map[string][]string{
		"github.com/ncruces/":                {"core/sqlite/..."},
		"golang.org/x/sys":                   {"core/sqlite/...", "internal/shell"},
		"github.com/tetratelabs/wazero":      {"plugins/wasm/..."},
		"github.com/hashicorp/go-plugin":     process,
		"github.com/hashicorp/go-hclog":      process,
		"google.golang.org/grpc":             process,
		"google.golang.org/protobuf":         append(process, command...),
		"github.com/knadh/koanf":             {"config"},
		"go.yaml.in/yaml":                    {"config", "plugins"},     // what koanf itself reads YAML with; manifests of plug-ins
		"github.com/peterh/liner":            {"internal/shell"},        // line editing
		"github.com/parquet-go/parquet-go":   {"core/bulk/parquet/..."}, // 4 MB that an embedder without Parquet need not carry
		"golang.org/x/term":                  command,
		"github.com/creack/pty":              command, // in tests: a person at a terminal
		"go.opentelemetry.io/otel":           {".", "core/...", "plugins/...", "config", "dashboard", "enginetest", "cmd/...", "examples/...", "internal/..."},
		"go.opentelemetry.io/otel/sdk":       append(command, "examples/jaeger"), // whoever embeds the engine brings an SDK
		"go.opentelemetry.io/otel/exporters": append(command, "examples/jaeger"),
		"go.opentelemetry.io/contrib":        command,
		"go.opentelemetry.io/proto":          command,
	}
}

// within reports whether a directory matches a pattern.
func within(dir, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if under, deep := strings.CutSuffix(pattern, "/..."); deep {
		return dir == under || strings.HasPrefix(dir, under+"/")
	}
	return dir == pattern
}

func withinAny(dir string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(dir, p) })
}

// ours returns the directory of a package of this module.
func ours(importPath string) (string, bool) {
	if importPath == Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, Module+"/")
}

// folder returns the folder that holds a package and its sub-packages: core/x for core/x/y.
func folder(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func zoneOf(dir string) (zone, bool) {
	for _, z := range zones() {
		if within(dir, z.who) {
			return z, true
		}
	}
	return zone{}, false
}

func checkImports(t *Tree, r report) {
	for _, f := range t.parsed() {
		z, known := zoneOf(f.dir())
		if !known {
			r(f.path, 0, "", "no rule says what %s may import: add the folder to the table in docs/ARCHITECTURE.md and internal/lint/imports.go", f.dir())
			continue
		}
		for imported, line := range t.imports(f) {
			if dir, our := ours(imported); our {
				own := dir == f.dir() || z.own && folder(dir) == folder(f.dir()) || f.isTest() && withinAny(dir, z.tests)
				if !own && (!withinAny(dir, z.may) || withinAny(dir, z.not)) {
					r(f.path, line, imported, "%s must not import %s: see the table in docs/ARCHITECTURE.md", f.dir(), dir)
				}
				continue
			}
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") || t.foreign(f) {
				continue // the standard library, or what a module of its own depends on
			}
			allowed, found := allowedIn(imported)
			switch {
			case !found:
				r(f.path, line, imported, "%s is in no table: a new dependency is a decision, add it to internal/lint/imports.go with where it belongs", imported)
			case !withinAny(f.dir(), allowed):
				r(f.path, line, imported, "%s belongs in %s alone", imported, strings.Join(allowed, ", "))
			}
		}
	}
}

// allowedIn returns where a module of others may be imported.
func allowedIn(imported string) (allowed []string, found bool) {
	longest := ""
	for prefix, where := range thirdParty() {
		whole := strings.TrimSuffix(prefix, "/")
		if (imported == whole || strings.HasPrefix(imported, whole+"/")) && len(prefix) > len(longest) {
			longest, allowed, found = prefix, where, true
		}
	}
	return allowed, found
}

// checkReach follows the imports of non-test files to the end: what a zone must never know, it must not know through a third either.
func checkReach(t *Tree, r report) {
	direct := map[string][]string{}
	for _, f := range t.parsed() {
		if f.isTest() {
			continue
		}
		for imported := range t.imports(f) {
			if dir, our := ours(imported); our {
				direct[f.dir()] = append(direct[f.dir()], dir)
			}
		}
	}
	for dir, files := range t.packages {
		z, _ := zoneOf(dir)
		seen := map[string]bool{dir: true}
		for queue := slices.Clone(direct[dir]); len(queue) > 0; queue = queue[1:] {
			next := queue[0]
			if seen[next] {
				continue
			}
			seen[next] = true
			if withinAny(next, z.deep) && !withinAny(next, z.may) {
				r(files[0].path, 0, next, "%s reaches %s by way of what it imports", dir, next)
			}
			queue = append(queue, direct[next]...)
		}
	}
}
