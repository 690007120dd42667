package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRequirements holds the page to the tree: every criterion is there once, one that claims something names a test, and every test that is
// named exists.
func TestRequirements(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	criteria := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\| (R\d\.\d) \|[^|]*\|([^|]*)\|(.*)\|$`).FindAllStringSubmatch(string(text), -1) {
		number, state, proof := m[1], strings.TrimSpace(m[2]), m[3]
		criteria[number]++
		switch state {
		case "done", "in part":
			if !strings.Contains(proof, "`") {
				t.Errorf("%s is %s, and no test is named", number, state)
			}
		case "not yet":
		default:
			t.Errorf("%s: state %q", number, state)
		}
	}
	for chapter := 1; chapter <= 7; chapter++ {
		for n := 1; n <= 5; n++ {
			if number := fmt.Sprintf("R%d.%d", chapter, n); criteria[number] != 1 {
				t.Errorf("%s stands in the table %d times, want once", number, criteria[number])
			}
		}
	}
	named := regexp.MustCompile("`([a-z0-9/_-]+)\\.((?:Test|Fuzz|Benchmark|Example)[A-Za-z0-9_]*)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 40 {
		t.Errorf("%d tests are named: the page is not read right", len(named))
	}
	for _, m := range named {
		if dir, name := m[1], m[2]; !declared(t, dir, name) {
			t.Errorf("%s.%s does not exist", dir, name)
		}
	}
}

// declared reports whether a test file of the folder declares the function. The root package is written as engine.
func declared(t *testing.T, dir, name string) bool {
	t.Helper()
	if dir == "engine" {
		dir = ""
	}
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains("\n"+string(source), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
