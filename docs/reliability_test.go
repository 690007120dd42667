package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReliability: every test that the page names exists, and each promise and each thing seen in the field has something behind it.
func TestReliability(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile("`([a-z0-9/_]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]*)`")
	for _, m := range test.FindAllStringSubmatch(string(page), -1) {
		if !declared(t, m[1], m[2]) {
			t.Errorf("%s.%s does not exist", m[1], m[2])
		}
	}
	for _, p := range []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P14", "P15", "P18"} {
		if !strings.Contains(string(page), "| "+p+" |") {
			t.Errorf("%s is missing", p)
		}
	}
	_, field, _ := strings.Cut(string(page), "## Seen in the field")
	rows := 0
	for _, line := range strings.Split(field, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| seen |") {
			continue
		}
		rows++
		if !test.MatchString(line) {
			t.Errorf("no test is named: %s", line)
		}
	}
	if rows < 15 {
		t.Errorf("%d rows of things seen in the field", rows)
	}
}
