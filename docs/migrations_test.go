package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMigrations holds the page to the code: conflicts, rules, codecs, headers and exit codes are those that exist, no more and no fewer.
func TestMigrations(t *testing.T) {
	t.Parallel()
	page := source(t, "migrations.md")
	for what, c := range map[string]struct{ file, inCode, inPage string }{
		"conflict":  {"../core/migrate/conflict.go", `Code = "(E\d\d)"`, `(?m)^\| (E\d\d) \|`},
		"lint rule": {"../core/migrate/review/rule.go", `Rule\{"(L\d\d)"`, `(?m)^\| (L\d\d) \|`},
		"exit code": {"../cmd/engine/migrate.go", `(?m)^\texit[A-Z]\w+ += (\d+)`, `(?m)^\| (2|3|4|5|6|64) \|`},
		"header":    {"../core/migrate/format.go", `(?m)^\tcase "([a-z]+)":`, "(?m)^\\| `-- ([a-z]+):`"},
		"section":   {"../core/migrate/format.go", `case "-- \+([a-z]+)"`, "(?m)^\\| `-- \\+([a-z]+)`"},
		"part":      {"../cmd/engine/migrate.go", `(?m)^\t\t\{"([a-z]+)", `, `(?:parts: |, )([a-z]+)\b`},
	} {
		code, shown := all(source(t, filepath.FromSlash(c.file)), c.inCode), all(page, c.inPage)
		if len(code) == 0 {
			t.Errorf("%s: nothing found in %s", what, c.file)
		}
		for _, x := range code {
			if !slices.Contains(shown, x) {
				t.Errorf("%s %s is not on the page", what, x)
			}
		}
		for _, x := range shown {
			if what != "part" && !slices.Contains(code, x) {
				t.Errorf("%s %s is on the page and not in the code", what, x)
			}
		}
	}
	for _, line := range all(source(t, filepath.FromSlash("../core/migrate/convert/codec.go")), `(?m)^\tcase ("[a-z0-9", ]+"):$`) {
		for _, codec := range strings.Split(line, ", ") {
			if name := strings.Trim(codec, `"`); !regexp.MustCompile("`" + name + "[`(]").MatchString(page) {
				t.Errorf("codec %s is not on the page", name)
			}
		}
	}
}

func source(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// all returns the sorted texts of an expression's group.
func all(text, expression string) []string {
	var out []string
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}
