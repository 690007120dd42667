package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// TestAlertTable holds the table of default rules to the code.
func TestAlertTable(t *testing.T) {
	t.Parallel()
	const mark = "<!-- made by go test ./docs -run TestAlertTable -update -->\n"
	text, err := os.ReadFile("alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(text), mark)
	if !found {
		t.Fatal("the mark of the table is gone")
	}
	var b strings.Builder
	b.WriteString(head + mark + "\n| rule | severity | when | says | and then |\n|---|---|---|---|---|\n")
	for _, r := range engine.DefaultConfig("sqlite://").DefaultAlertRules() {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", r.Name, r.Severity, r.When, r.Title, r.Body)
	}
	if *update {
		if err := os.WriteFile("alerts.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b.String() != string(text) {
		t.Error("the table is not what the code says: go test ./docs -run TestAlertTable -update")
	}
}
