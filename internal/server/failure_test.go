package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/server"
)

// The page of the documentation has every kind of error, with its status, and every header.
func TestFailuresAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "serve.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d{3}) \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, kind := range strings.Split(row[2], ",") {
			documented[row[1]+" "+strings.Trim(strings.TrimSpace(kind), "`")] = true
		}
	}
	for _, a := range server.Answers() {
		if !documented[a] {
			t.Errorf("%s is not in docs/serve.md", a)
		}
	}
}
