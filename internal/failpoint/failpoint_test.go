package failpoint_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/failpoint"
)

// names are those of the places, read from the source: the program that is looked at must not get them from here.
func names(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "failpoint.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Point" {
			name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name)
		}
		return true
	})
	if len(all) < 20 || !slices.Contains(all, string(failpoint.WALUnsynced)) {
		t.Fatalf("%d places were found in the source: %v", len(all), all)
	}
	return all
}

// trace is what a program holds of the places: symbols and texts.
func trace(t *testing.T, flags ...string) (symbols, texts []string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "engine.exe")
	args := append([]string{"build", "-o", binary}, flags...)
	if out, err := exec.Command("go", append(args, "github.com/tidegate/engine/cmd/engine")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "internal/failpoint.") || strings.Contains(line, "sqlite.(*file).reached") {
			symbols = append(symbols, strings.TrimSpace(line))
		}
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names(t), failpoint.Variable) {
		if bytes.Contains(content, []byte(name)) {
			texts = append(texts, name)
		}
	}
	return symbols, texts
}

// TestShippedProgramHasNoPlaces looks for them in the program that is shipped, and sees them in the one that is built to be killed.
func TestShippedProgramHasNoPlaces(t *testing.T) {
	t.Parallel()
	if failpoint.Enabled {
		t.Skip("this run is itself one with the tag failpoints")
	}
	if symbols, texts := trace(t); len(symbols)+len(texts) > 0 {
		t.Errorf("the shipped program holds %q and the texts %q", symbols, texts)
	}
	symbols, texts := trace(t, "-tags", "failpoints")
	if all := len(names(t)) + 1; len(symbols) == 0 || len(texts) != all {
		t.Errorf("the program with the tag shows %d symbols and %d texts, want %d of them: this test would not have seen any in the other", len(symbols), len(texts), all)
	}
}
