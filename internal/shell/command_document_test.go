package shell

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The document describes the commands that there are, and no others.
func TestDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "shell.md"))
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, m := range regexp.MustCompile("`\\.([a-z]+)").FindAllStringSubmatch(string(text), -1) {
		described[m[1]] = true
		if _, err := find(m[1]); err != nil {
			t.Errorf("docs/shell.md describes .%s: %v", m[1], err)
		}
	}
	for _, c := range commands() {
		if !described[c.name] {
			t.Errorf("docs/shell.md does not describe .%s", c.name)
		}
	}
}
