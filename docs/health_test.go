package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// TestHealthTable holds the table of checks to the checks that there are, in their order.
func TestHealthTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("health.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, made []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		told = append(told, m[1])
	}
	cfg := engine.DefaultConfig("sqlite://")
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range db.Health(t.Context()).Checks {
		made = append(made, c.Name)
	}
	if got, want := strings.Join(told, " "), strings.Join(made, " "); got != want {
		t.Errorf("health.md tells of %s; there are %s", got, want)
	}
}
