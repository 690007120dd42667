package docs_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/sdk/abi"
)

// keysOf are the keys of a structure of the manifest, with those of the structures in it.
func keysOf(t reflect.Type, out map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		tag, rest, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if tag != "" {
			out[tag] = true
		}
		if tag != "" || rest == "inline" {
			keysOf(t.Field(i).Type, out)
		}
	}
}

// The manual's table of the manifest names every key that there is, and none that there is not; likewise capabilities and exports.
func TestManifestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "### The manifest\n")
	table, page, ok2 := strings.Cut(rest, "### Other languages")
	if !ok || !ok2 {
		t.Fatal("plugins.md has no reference of the manifest")
	}
	keys := map[string]bool{}
	keysOf(reflect.TypeFor[plugins.Manifest](), keys)
	if len(keys) < 40 {
		t.Fatalf("%d keys: the manifest is not read right", len(keys))
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(table, -1) {
		named[m[1]] = true
	}
	for key := range keys {
		if !named[key] {
			t.Errorf("the reference of the manifest does not name %s", key)
		}
	}
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.Contains(cells[1], "---") || strings.TrimSpace(cells[1]) == "key" {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if !keys[m[1]] {
				t.Errorf("the reference names %s, which no manifest has", m[1])
			}
		}
	}
	for _, export := range []string{abi.ExportMarker, abi.ExportAlloc, abi.ExportConfigure, abi.ExportValidate, abi.ExportRetain, abi.ExportNotify} {
		if !strings.Contains(page, "`"+export+"`") {
			t.Errorf("plugins.md does not name the export %s", export)
		}
	}
}
