package config_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/engine/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// The page of the documentation lists what the table has.
func TestPage(t *testing.T) {
	t.Parallel()
	const from, to = "-update` -->\n", "<!-- end of settings -->"
	var b strings.Builder
	b.WriteString("\n| key | default | what |\n|---|---|---|\n")
	for _, v := range load(t, config.Sources{}).Values() {
		shown := v.Default
		switch {
		case v.Key == "readers.slots":
			shown = "2 × cores" // of the machine that reads the page
		case shown != "":
			shown = "`" + shown + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Key, shown, v.Doc)
	}
	b.WriteString("\n")
	path := filepath.Join("..", "docs", "configuration.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), from)
	table, after, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatal("the page has no place for the settings")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+from+b.String()+to+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != b.String() {
		t.Error("docs/configuration.md is not what the table says: go test ./config -run TestPage -update")
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	text := string(config.Template())
	untouched := load(t, config.Sources{File: file(t, text)})
	for _, v := range untouched.Values() {
		if v.Origin.Layer != config.FromDefault {
			t.Errorf("the template as it is sets %s", v.Key)
		}
	}
	var live []string
	for _, line := range strings.Split(text, "\n") {
		if trimmed := strings.TrimLeft(line, " "); strings.HasPrefix(trimmed, "#") && !strings.HasPrefix(trimmed, "# ") {
			line = strings.Replace(line, "#", "", 1)
		}
		live = append(live, line)
	}
	all := load(t, config.Sources{File: file(t, strings.Join(live, "\n"))})
	for _, v := range all.Values() {
		if v.Origin.Layer != config.FromFile {
			t.Errorf("%s is not in the template", v.Key)
		}
		if v.Text != v.Default {
			t.Errorf("%s: the template has %q, the default is %q", v.Key, v.Text, v.Default)
		}
	}
}
