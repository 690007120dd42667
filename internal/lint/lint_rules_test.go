package lint_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tidegate/engine/internal/lint"
)

// check runs every rule over a small tree, and returns "file:line [rule]" of each finding.
func check(t *testing.T, files map[string]string, exceptions ...lint.Exception) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	tree, err := lint.Load(fsys, slices.Sorted(maps.Keys(files)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range lint.Check(tree, exceptions) {
		got = append(got, fmt.Sprintf("%s:%d [%s]", f.File, f.Line, f.Rule))
	}
	return got
}

const engine = "github.com/tidegate/engine"

// source writes a Go file of the package with the given imports, each used.
func source(pkg string, imports ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "// Package %s is a sample.\npackage %s\n", pkg, pkg)
	for _, i := range imports {
		fmt.Fprintf(&b, "\nimport _ %q\n", i)
	}
	return b.String()
}

func with(pkg, body string) string { return source(pkg) + "\n" + body }

// lines returns n statements inside a function or n lines of comment.
func lines(n int, line string) string { return strings.Repeat(line+"\n", n) }

// offences holds small trees that break one rule each, and what must be found in them.
var offences = map[string]struct {
	files map[string]string
	want  []string
}{
	"core imports root": {
		map[string]string{"core/x/x.go": source("x", engine)},
		[]string{"core/x/x.go:0 [reach]", "core/x/x.go:4 [import]"},
	},
	"sibling in core": {
		map[string]string{"core/retry/retry.go": source("retry", engine+"/core/breaker")},
		[]string{"core/retry/retry.go:4 [import]"},
	},
	"store imports lane": {
		map[string]string{"core/sqlite/conn.go": source("sqlite", engine+"/core/lane")},
		[]string{"core/sqlite/conn.go:4 [import]"},
	},
	"driver outside the store": {
		map[string]string{"core/lane/lane.go": source("lane", "github.com/ncruces/go-sqlite3")},
		[]string{"core/lane/lane.go:4 [import]"},
	},
	"driver in a test outside the store": {
		map[string]string{"core/lane/lane_test.go": source("lane", "github.com/ncruces/go-sqlite3/driver")},
		[]string{"core/lane/lane_test.go:4 [import]"},
	},
	"module of its own, and what is beside it": {
		map[string]string{
			"internal/bench/go.mod":    "module " + engine + "/internal/bench\n",
			"internal/bench/versus.go": source("bench", engine+"/cmd/engine"),
			"internal/desk/desk.go":    source("desk", "github.com/ncruces/go-sqlite3/driver"),
		},
		[]string{"internal/bench/versus.go:4 [import]", "internal/desk/desk.go:4 [import]"},
	},
	"SDK outside cmd": {
		map[string]string{"core/trace/trace.go": source("trace", "go.opentelemetry.io/otel/sdk/trace")},
		[]string{"core/trace/trace.go:4 [import]"},
	},
	"contract with a dependency": {
		map[string]string{"sdk/sdk.go": source("sdk", "go.opentelemetry.io/otel/trace")},
		[]string{"sdk/sdk.go:4 [import]"},
	},
	"unknown module": {
		map[string]string{"cmd/engine/main.go": source("main", "github.com/stretchr/testify")},
		[]string{"cmd/engine/main.go:4 [import]"},
	},
	"plugin host reaches root through internal": {
		map[string]string{
			"plugins/host.go":      source("plugins", engine+"/internal/desk"),
			"internal/desk/sim.go": source("desk", engine),
		},
		[]string{"plugins/host.go:0 [reach]"},
	},
	"example with internals": {
		map[string]string{"examples/a/main.go": source("main", engine+"/internal/desk")},
		[]string{"examples/a/main.go:4 [import]"},
	},
	"folder without a rule": {
		map[string]string{"lib/lib.go": source("lib")},
		[]string{"lib/lib.go:0 [import]"},
	},
	"does not parse": {
		map[string]string{"core/x/x.go": "package x\nfunc {\n"},
		[]string{"core/x/x.go:2 [parse]"},
	},
	"not formatted": {
		map[string]string{"core/x/x.go": with("x", "const  a = 1\n")},
		[]string{"core/x/x.go:0 [gofmt]"},
	},
	"long file": {
		map[string]string{"core/x/x.go": with("x", lines(600, "// more"))},
		[]string{"core/x/x.go:603 [length]"},
	},
	"long test file": {
		map[string]string{"core/x/x_test.go": with("x", lines(800, "// more"))},
		[]string{"core/x/x_test.go:803 [length]"},
	},
	"long function": {
		map[string]string{"core/x/x.go": with("x", "func f() {\n"+lines(79, "\tprintln()")+"}\n")},
		[]string{"core/x/x.go:4 [length]"},
	},
	"long test function": {
		map[string]string{"core/x/x_test.go": with("x", "func f() {\n"+lines(79, "\tprintln()")+"}\n")},
		[]string{"core/x/x_test.go:4 [length]"},
	},
	"wide struct": {
		map[string]string{"core/x/x.go": with("x", "type s struct {\n\ta, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p int\n}\n")},
		[]string{"core/x/x.go:4 [length]"},
	},
	"wide interface": {
		map[string]string{"core/x/x.go": with("x", "type i interface {\n\ta()\n\tb()\n\tc()\n\td()\n\te()\n\tf()\n\tg()\n}\n")},
		[]string{"core/x/x.go:4 [length]"},
	},
	"vague package": {
		map[string]string{"core/x/util/util.go": source("util")},
		[]string{"core/x/util/util.go:0 [name]", "core/x/util/util.go:2 [name]"},
	},
	"vague file": {
		map[string]string{"core/x/x.go": source("x"), "core/x/x_helpers.go": source("x")},
		[]string{"core/x/x_helpers.go:0 [name]"},
	},
	"test of nothing": {
		map[string]string{"core/x/x.go": source("x"), "core/x/stuff_test.go": source("x")},
		[]string{"core/x/stuff_test.go:0 [testname]"},
	},
	"init": {
		map[string]string{"core/x/x.go": with("x", "func init() {}\n")},
		[]string{"core/x/x.go:4 [init]"},
	},
	"mutable variables": {
		map[string]string{"core/x/x.go": with("x", "var a int\n\nvar b = f()\n\nvar c = map[int]int{}\n\nvar d = []int{1}\n\nfunc f() int { c[1] = 2; d[0]++; return 1 }\n")},
		[]string{"core/x/x.go:10 [global]", "core/x/x.go:4 [global]", "core/x/x.go:6 [global]", "core/x/x.go:8 [global]"},
	},
	"sentinel assigned later": {
		map[string]string{"core/x/x.go": with("x", "import \"errors\"\n\nvar errA = errors.New(\"a\")\n\nfunc f() { errA = nil }\n")},
		[]string{"core/x/x.go:6 [global]"},
	},
	"no package comment": {
		map[string]string{"cmd/engine/main.go": "package main\n"},
		[]string{"cmd/engine/main.go:1 [doc]"},
	},
	"no comments on exported names": {
		map[string]string{"core/x/x.go": with("x", "type A struct{}\n\nfunc (A) B() {}\n\nfunc C() {}\n\nconst D = 1\n\ntype (\n\t// E has one.\n\tE int\n\tF int\n)\n")},
		[]string{"core/x/x.go:4 [doc]", "core/x/x.go:6 [doc]", "core/x/x.go:8 [doc]", "core/x/x.go:10 [doc]", "core/x/x.go:15 [doc]"},
	},
	"path of one machine": {
		map[string]string{"README.md": "see\n`/" + "work/main/x` there\n", "core/x/x.go": with("x", "const a = \"/"+"tmp/x.db\"\n")},
		[]string{"README.md:2 [path]", "core/x/x.go:4 [path]"},
	},
	"unfinished": {
		map[string]string{"core/x/x.go": with("x", "// TO"+"DO: the rest\n"), "docs/a.md": "FIX" + "ME\n"},
		[]string{"core/x/x.go:4 [unfinished]", "docs/a.md:1 [unfinished]"},
	},
	"big file": {
		map[string]string{"testdata/big.bin": strings.Repeat("x", 1<<20+1)},
		[]string{"testdata/big.bin:0 [size]"},
	},
}

func TestRulesFind(t *testing.T) {
	t.Parallel()
	for name, c := range offences {
		got := check(t, c.files)
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, c.want)
		}
	}
}

func TestRulesPass(t *testing.T) {
	t.Parallel()
	sound := map[string]string{
		"doc.go":         source("engine", engine+"/core/lane", engine+"/sdk", "go.opentelemetry.io/otel"),
		"engine_test.go": source("engine_test", engine, engine+"/internal/testdb"),
		"core/lane/lane.go": with("lane", `import (
	"embed"
	"errors"
	"regexp"

	_ "github.com/tidegate/engine/core/sqlite"
)

// ErrBusy is returned when busy.
var ErrBusy = errors.New("busy")

var _ error = ErrBusy

var word = regexp.MustCompile("a")

//go:embed schema.sql
var schema embed.FS

var months = [...]string{"January"}

// F has a comment.
func F() string { return months[0] }
`),
		"core/lane/lane_test.go":           with("lane_test", "var update = flag()\n\nfunc flag() bool { return false }\n"),
		"core/lane/lane_linux_test.go":     source("lane_test"),
		"core/lane/samples_test.go":        source("lane_test"),
		"core/lane/f_test.go":              with("lane_test", "func f() []int {\n\treturn []int{\n"+lines(90, "\t\t1,")+"\t}\n}\n"),
		"core/lane/export_test.go":         source("lane"),
		"core/sqlite/conn.go":              source("sqlite", "github.com/ncruces/go-sqlite3", "golang.org/x/sys/unix"),
		"core/sqlite/disk_windows.go":      source("sqlite"),
		"core/sqlite/disk_test.go":         source("sqlite"),
		"core/x/x.go":                      source("x", engine+"/core/x/y", engine+"/core/lane"),
		"core/x/y/y.go":                    source("y", engine+"/core/sqlite"),
		"cmd/engine/main.go":               source("main", engine, engine+"/internal/desk", "go.opentelemetry.io/otel/sdk/trace"),
		"examples/a/main.go":               source("main", engine, engine+"/migrations"),
		"internal/desk/desk.go":            source("desk", engine),
		"sdk/sdk.go":                       source("sdk", "context"),
		"plugins/wasm/wasm.go":             source("wasm", engine+"/sdk", engine+"/plugins", "github.com/tetratelabs/wazero/api"),
		"internal/bench/go.mod":            "module " + engine + "/internal/bench\n",
		"internal/bench/versus.go":         source("bench", engine, "github.com/ncruces/go-sqlite3/driver"),
		"internal/bench/reads_test.go":     source("bench", engine),
		"core/x/testdata/bad.go":           "not Go at all",
		"core/x/testdata/small.bin":        "\x00/" + "work/x",
		"docs/readme_test.go":              source("docs_test", engine),
		"docs/a.md":                        "A https://example.com/" + "work/x and sdk/" + "root/x are no paths of a machine.\n",
		"migrations/migrations.go":         source("migrations", "embed"),
		"migrations/migrations_test.go":    source("migrations_test", engine+"/core/migrate"),
		"policies/spread/spread.go":        source("spread", engine+"/sdk"),
		"sdk/process/serve.go":             source("process", engine+"/sdk", "github.com/hashicorp/go-plugin"),
		"plugins/process/host.go":          source("process", engine+"/sdk/process", "google.golang.org/grpc"),
		"config/config.go":                 source("config", engine, engine+"/plugins/wasm", "github.com/knadh/koanf/v2"),
		"dashboard/dashboard.go":           source("dashboard", engine),
		"internal/faultfs/plan.go":         source("faultfs", engine+"/core/sqlite"),
		"internal/faultfs/faultfs_test.go": source("faultfs_test"),
	}
	if got := check(t, sound); len(got) > 0 {
		t.Errorf("a sound tree has findings:\n%s", strings.Join(got, "\n"))
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	files := map[string]string{"core/x/x.go": with("x", "func init() {}\n")}
	excuse := lint.Exception{Rule: "init", File: "core/x/x.go", Subject: "init", Reason: "a sample"}
	if got := check(t, files, excuse); len(got) > 0 {
		t.Errorf("excused, and still found: %v", got)
	}
	stale := excuse
	stale.Subject = "other"
	if got := check(t, files, excuse, stale); !slices.Equal(got, []string{"core/x/x.go:0 [exception]"}) {
		t.Errorf("an entry without use: %v", got)
	}
	excuse.Reason = ""
	if got := check(t, files, excuse); !slices.Equal(got, []string{"core/x/x.go:0 [exception]"}) {
		t.Errorf("an entry without a reason: %v", got)
	}
}
