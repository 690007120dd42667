package plugins_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/plugins"
)

// good is a manifest with nearly everything in it.
const good = `
name: order-limits
version: 1.2.3
abi: 1
engine: ">=0.1 <2"
module: limits.wasm
sha256: 0000000000000000000000000000000000000000000000000000000000000000
hooks:
  - {on: validate, table: orders, ops: [insert, update], columns: [id, qty], when: commit}
capabilities:
  log: true
  lookup:
    - {name: account, sql: "SELECT 1", max_rows: 5}
  kv: {max_bytes: 1000}
  outbox: [desk]
limits: {fuel: 5, fuel_per_row: 6, memory_pages: 7, deadline: 8ms, instances: 9}
on_error: reject
reset: fault
mode: enforce
config: {max: 10}
config_schema:
  type: object
  required: [max]
  properties:
    max: {type: integer, minimum: 1}
    note: {type: string, default: none}
tests:
  - name: a small order
    rows: [[1, 5]]
  - name: a large one
    rows: [[1, 5000]]
    expect: [{row: 0, message: qty}]
    max_fuel: 1000
`

func TestManifest(t *testing.T) {
	t.Parallel()
	m, err := plugins.ParseManifest([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "order-limits" || time.Duration(m.Limits.Deadline) != 8*time.Millisecond || m.Policy.Reset != "fault" || m.Hooks[0].When != "commit" || m.Tests[1].Expect[0].Message != "qty" {
		t.Errorf("%+v", m)
	}
	doc, err := m.Document()
	want := `{"abi":1,"name":"order-limits","version":"1.2.3","config":{"max":10,"note":"none"},` +
		`"schemas":[{"id":0,"table":"orders","on":"validate","when":"commit","columns":["id","qty"]}],"lookups":[{"id":0,"name":"account"}]}`
	if err != nil || string(doc) != want {
		t.Errorf("%s %v, want\n%s", doc, err, want)
	}
}

// TestManifestSchema: a number is the same whether it came from YAML or from JSON, and defaults are those of every object that is there.
func TestManifestSchema(t *testing.T) {
	t.Parallel()
	text := good[:strings.Index(good, "config:")] + `
config: {size: 2, list: [{a: 1}, {a: 2, b: 3}], inner: {deep: {}}}
config_schema:
  type: object
  properties:
    size: {type: number, enum: [1, 2.0, 3]}
    list: {type: array, items: {type: object, properties: {a: {type: integer}, b: {type: integer, default: 7}}}}
    inner: {type: object, properties: {deep: {type: object, properties: {word: {type: string, default: hello}}}}}
`
	m, err := plugins.ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the manifest itself stays as it is
		doc, err := m.Document()
		if want := `"config":{"inner":{"deep":{"word":"hello"}},"list":[{"a":1,"b":7},{"a":2,"b":3}],"size":2}`; err != nil || !strings.Contains(string(doc), want) {
			t.Errorf("%s %v, want %s", doc, err, want)
		}
	}
	if inner := m.Config["list"].([]any)[0].(map[string]any); len(inner) != 1 {
		t.Errorf("the default was written into the manifest: %v", inner)
	}
	if _, err := plugins.ParseManifest([]byte(strings.Replace(text, "size: 2,", "size: 4,", 1))); err == nil || !strings.Contains(err.Error(), "config.size: none of") {
		t.Error(err)
	}
}

// TestManifestMistakesAllAtOnce breaks many things and wants to hear of each.
func TestManifestMistakesAllAtOnce(t *testing.T) {
	t.Parallel()
	text := good
	for _, r := range [][2]string{
		{"name: order-limits", "name: Order Limits"}, {"version: 1.2.3", "version: one"}, {"abi: 1", "abi: 2"}, {`">=0.1 <2"`, `"~> 1"`}, {"module: limits.wasm", "module: ../limits.wasm"},
		{"sha256: 0000", "sha256: xyz0"}, {"on: validate", "on: think"}, {"ops: [insert, update]", "ops: [upsert]"}, {"columns: [id, qty]", "columns: [id, ID]"}, {"when: commit", "when: later"},
		{`sql: "SELECT 1"`, `sql: ""`}, {"max_rows: 5", "max_rows: 500000"}, {"outbox: [desk]", "outbox: ['x y']"}, {"memory_pages: 7", "memory_pages: 5000"}, {"deadline: 8ms", "deadline: 2h"},
		{"on_error: reject", "on_error: shrug"}, {"reset: fault", "reset: never"}, {"mode: enforce", "mode: dry"}, {"config: {max: 10}", "config: {max: 0, more: 1}"},
		{"rows: [[1, 5]]", "rows: [[1]]"}, {"expect: [{row: 0,", "expect: [{row: 3,"},
	} {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("the good manifest has no %q", r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	_, err := plugins.ParseManifest([]byte(text))
	var list *plugins.ManifestError
	if !errors.Is(err, plugins.ErrManifest) || !errors.As(err, &list) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"name:", "version:", "abi:", "engine:", "module:", "sha256:", "hooks[0].on:", "hooks[0].ops:", "hooks[0].columns:", "hooks[0].when:", "lookup[0].sql:", "lookup[0].max_rows:",
		"capabilities.outbox:", "limits.memory_pages:", "limits.deadline:", "on_error:", "reset:", "mode:", "config.max:", "config.more:", "tests[0].rows[0]:", "tests[1].expect[0].row:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s", want)
		}
	}
	if len(list.Mistakes) != 22 {
		t.Errorf("%d mistakes:\n%s", len(list.Mistakes), strings.Join(list.Mistakes, "\n"))
	}
}

func TestManifestUnknownFields(t *testing.T) {
	t.Parallel()
	_, err := plugins.ParseManifest([]byte(strings.Replace(good, "limits: {fuel: 5", "colour: red\nlimits: {fule: 5", 1)))
	if err == nil || !strings.Contains(err.Error(), "unknown field colour") || !strings.Contains(err.Error(), "unknown field fule") {
		t.Error(err)
	}
	for _, text := range []string{"", "a: [", good + "\n---\nname: x\n"} {
		if _, err := plugins.ParseManifest([]byte(text)); !errors.Is(err, plugins.ErrManifest) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	if _, err := plugins.ParseManifest([]byte(strings.Replace(good, "minimum: 1", "pattern: x", 1))); err == nil || !strings.Contains(err.Error(), "pattern: this part of JSON Schema is not supported") {
		t.Error(err)
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := plugins.ParseManifest([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	trusted := map[string]ed25519.PublicKey{"ops": pub}
	if err := m.Verify(trusted); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Error(err)
	}
	if err := m.Sign("ops", key); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(trusted); err != nil {
		t.Error(err)
	}
	if err := m.Verify(nil); err == nil || !strings.Contains(err.Error(), `key "ops" is not trusted`) {
		t.Error(err)
	}
	m.Limits.Fuel++
	if err := m.Verify(trusted); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Error("the signature covers a manifest that was changed:", err)
	}
}

// FuzzManifest looks for a panic, and for a manifest that is accepted and cannot be signed or turned into a document.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := plugins.ParseManifest(b)
		if err != nil {
			if !errors.Is(err, plugins.ErrManifest) {
				t.Fatal(err)
			}
			return
		}
		if _, err := m.Document(); err != nil && !errors.Is(err, plugins.ErrManifest) {
			t.Fatal(err)
		}
		if _, err := m.SignedBytes(); err != nil {
			t.Fatal(err)
		}
	})
}
