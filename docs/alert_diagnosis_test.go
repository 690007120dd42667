package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidegate/engine"
)

// TestCauseTable holds the table of causes to the code.
func TestCauseTable(t *testing.T) {
	t.Parallel()
	const name, begin, end = "alert-diagnosis.md", "<!-- alert causes -->\n", "<!-- end -->"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the marks of the table are gone")
	}
	rules := map[string]bool{}
	for _, r := range engine.DefaultConfig("sqlite://").DefaultAlertRules() {
		rules[r.Name] = true
	}
	explained := map[string]bool{}
	var b strings.Builder
	b.WriteString("| cause | what it means | leads to |\n|---|---|---|\n")
	for _, c := range engine.AlertCauses() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", c.ID, c.Meaning, strings.Join(c.Leads, "` `"))
		for _, r := range c.Leads {
			explained[r] = true
			if !rules[r] {
				t.Errorf("%s leads to %s, and there is no such rule", c.ID, r)
			}
		}
	}
	for r := range rules {
		if !explained[r] {
			t.Errorf("no cause leads to %s", r)
		}
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("the table is not what the code says: go test ./docs -run TestCauseTable -update")
	}
}
