package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

const pluginNewExamples = `  engine plugin new lot-size
  engine plugin new --table orders --column qty --out rules/lot-size lot-size
  engine plugin new --sdk ~/src/engine lot-size      # with the SDK of a clone, where no release can be fetched
  cd lot-size && go mod tidy && go test ./... && engine plugin build . && engine plugin test .

It writes a rule in Go that rejects rows whose column is not above a minimum: with tests, a manifest, and a go.mod where the folder lies in no module yet.
In other languages a module needs no more than the exports that docs/plugins.md describes: engine plugin build --module takes it.
`

// scaffold is what a new rule is about.
type scaffold struct {
	name, table, column, dir string
	sdk                      string // a folder with the engine's source; "" is a release
}

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9]*([-_.][a-z0-9]+)*$`)
	sqlName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func runPluginNew(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("plugin new", "[flags] NAME", pluginNewExamples)
	var c scaffold
	lang := f.String("lang", "go", "the `language`: go")
	f.StringVar(&c.table, "table", "orders", "the `table` that it watches")
	f.StringVar(&c.column, "column", "qty", "the `column` that it looks at")
	f.StringVar(&c.dir, "out", "", "the `folder`, which must not be there yet (default: NAME)")
	f.StringVar(&c.sdk, "sdk", "", "a `folder` with a clone of the engine, from which go.mod takes the SDK instead of from a release")
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	var err error
	if c.name, err = one(positional, "a name for the plug-in"); err == nil {
		err = c.check(*lang)
	}
	if err != nil {
		return misuse(stderr, "engine plugin new", err)
	}
	files, err := c.write()
	if err != nil {
		return failure(stderr, "plugin new", err)
	}
	if *asJSON {
		err = printObject(stdout, map[string]any{"folder": c.dir, "files": files})
	} else {
		tidy := ""
		if slices.Contains(files, "go.mod") { // of a module inside another one that one knows the sums
			tidy = "(cd " + c.dir + " && go mod tidy) && "
		}
		note := ""
		if tidy != "" && c.sdk == "" && !isRelease() {
			note = "note: this program is no release, so go.mod asks for " + engineRelease() + " of the SDK; where go mod tidy does not find that, --sdk takes it from a clone of the engine\n"
		}
		_, err = fmt.Fprintf(stdout, "wrote %s: %s\n%snext: %sengine plugin build %s && engine plugin test %s\n", c.dir, strings.Join(files, ", "), note, tidy, c.dir, c.dir)
	}
	if err != nil {
		return failure(stderr, "plugin new", err)
	}
	return exitOK
}

func (c *scaffold) check(lang string) error {
	switch {
	case lang != "go":
		return fmt.Errorf("--lang takes go: for other languages docs/plugins.md describes the exports that a module needs")
	case !pluginName.MatchString(c.name) || len(c.name) > 64:
		return errors.New("a name has small letters, digits and single - _ . between them, at most 64")
	case !sqlName.MatchString(c.table) || !sqlName.MatchString(c.column):
		return errors.New("--table and --column take plain names of SQL")
	}
	if c.dir == "" {
		c.dir = c.name
	}
	if c.sdk == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.sdk, "go.mod"))
	if err != nil || !strings.HasPrefix(string(text), "module "+engineModule+"\n") {
		return fmt.Errorf("--sdk: %s holds no clone of the engine: its go.mod begins with module %s", c.sdk, engineModule)
	}
	if insideModule(c.dir) {
		return fmt.Errorf("--sdk: %s lies in a Go module, whose go.mod says where the SDK comes from: leave it out", c.dir)
	}
	c.sdk, err = filepath.Abs(c.sdk)
	return err
}

const engineModule = "github.com/tidegate/engine"

// write makes the folder and returns the names of its files. It overwrites nothing.
func (c *scaffold) write() ([]string, error) {
	if _, err := os.Lstat(c.dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already: name another folder with --out", c.dir)
	}
	files := []struct{ name, text string }{{"rule.go", newRule}, {"rule_test.go", newRuleTest}, {"plugin.yaml", newManifest}, {".gitignore", "*.wasm\n"}}
	if !insideModule(c.dir) {
		text := newModule
		if c.sdk != "" {
			text += "\nreplace " + engineModule + " => " + strconv.Quote(filepath.ToSlash(c.sdk)) + "\n"
		}
		files = append(files, struct{ name, text string }{"go.mod", text})
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("NAME", c.name, "TABLE", c.table, "COLUMN", c.column, "VERSION", engineRelease())
	var names []string
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(c.dir, f.name), []byte(fill.Replace(f.text)), 0o644); err != nil {
			return nil, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// insideModule reports whether a folder that is to be made lies in a Go module.
func insideModule(dir string) bool {
	at, err := filepath.Abs(dir)
	for err == nil {
		parent := filepath.Dir(at)
		if parent == at {
			return false
		}
		at = parent
		if _, e := os.Stat(filepath.Join(at, "go.mod")); e == nil {
			return true
		}
	}
	return false
}

// engineRelease is the version of the SDK that a new rule asks for: that of this program.
func engineRelease() string {
	if isRelease() {
		build, _ := debug.ReadBuildInfo()
		return build.Main.Version
	}
	return "v0.1.0"
}

// isRelease reports whether the program was built from a version that can be fetched.
func isRelease() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && strings.HasPrefix(build.Main.Version, "v") && !strings.Contains(build.Main.Version, "+")
}

const newModule = `module NAME

go 1.26.0

require github.com/tidegate/engine VERSION
`

const newRule = `// Command NAME is a rule: it rejects TABLE whose COLUMN is under a minimum.
package main

import "github.com/tidegate/engine/sdk"

// rule is configured once and asked about batches of rows, by one goroutine at a time.
type rule struct {
	column  int // where batches have COLUMN
	least   int64
	message sdk.Message
}

// Configure implements sdk.Configurer.
func (r *rule) Configure(c *sdk.Config) error {
	r.column = c.Require(c.Hook(0), "COLUMN")
	r.least = c.Int("least", 1)
	return nil
}

// Validate implements sdk.Validator. A row without a verdict is accepted.
func (r *rule) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	for row := range b.Len() {
		cell := b.Cell(row, r.column)
		switch {
		case cell.Type() != sdk.Integer:
			v.Reject(row, r.column, 2, "COLUMN must be an integer")
		case cell.Int() < r.least:
			v.Reject(row, r.column, 1, r.message.Start("COLUMN ").Int(cell.Int()).Text(" is under ").Int(r.least).String())
		}
	}
	return nil
}

var _ = sdk.Export(&rule{})

func main() {}
`

const newRuleTest = `package main

import (
	"testing"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/sdktest"
)

func TestRule(t *testing.T) {
	h := sdktest.New(t, &rule{}, sdktest.Setup{
		Config: ` + "`{\"least\": 5}`" + `,
		Hooks:  []sdk.Hook{{Table: "TABLE", Columns: []string{"COLUMN"}}},
	})
	h.Insert(sdktest.Row{5}, sdktest.Row{100}).Accepts()
	h.Insert(sdktest.Row{5}, sdktest.Row{4}).Rejects(1, 1, "under 5")
	h.Insert(sdktest.Row{nil}).Rejects(0, 2, "integer")
}
`

const newManifest = `# docs/plugins.md describes every key.
name: NAME
version: 0.1.0
abi: 1
module: NAME.wasm
sha256: "0000000000000000000000000000000000000000000000000000000000000000" # engine plugin build writes it
hooks:
  - on: validate
    table: TABLE
    ops: [insert, update]
    columns: [COLUMN]
config:
  least: 1
config_schema:
  type: object
  properties:
    least: {type: integer, default: 1, description: the smallest COLUMN that is accepted}
# They run here and whenever the plug-in is loaded.
tests:
  - name: accepted
    rows: [[1], [100]]
    max_fuel: 60000
  - name: under the minimum
    rows: [[5], [0]]
    expect: [{row: 1, code: 1, message: COLUMN 0 is under 1}]
`
