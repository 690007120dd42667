package config

import (
	"encoding/json"
	"time"

	"github.com/tidegate/engine"
)

// What the schema allows, so that an editor marks what Load would refuse.
const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	sizePattern     = `^[0-9]+ ?(B|KiB|MiB|GiB|kB|MB|GB)$`
)

// node is a schema of JSON Schema.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"`
	Properties  map[string]*node `json:"properties,omitempty"`
	Additional  *bool            `json:"additionalProperties,omitempty"`
	Enum        []string         `json:"enum,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Items       *node            `json:"items,omitempty"`
	Default     any              `json:"default,omitempty"`
}

// Schema returns the JSON Schema (draft 2020-12) of the file, for editors. Contradictions between settings are beyond it.
func Schema() []byte {
	root := newSection()
	root.Schema, root.Title = "https://json-schema.org/draft/2020-12/schema", "Configuration of Tidegate"
	root.Type = "object"
	defaults := Defaults()
	for _, st := range table() {
		at, path := root, split(st.key)
		for _, name := range path[:len(path)-1] {
			if at.Properties[name] == nil {
				at.Properties[name] = newSection()
			}
			at = at.Properties[name]
		}
		at.Properties[path[len(path)-1]] = st.schema(&defaults)
	}
	out, _ := json.MarshalIndent(root, "", "  ") // nothing in it can fail to marshal
	return append(out, '\n')
}

func newSection() *node {
	closed := false
	return &node{Type: []string{"object", "null"}, Properties: map[string]*node{}, Additional: &closed}
}

func (st setting) schema(defaults *Settings) *node {
	n := &node{Description: st.doc, Enum: st.words, Pattern: st.plain, Type: "string", Default: st.text(defaults)}
	switch v := st.get(defaults).(type) {
	case bool:
		n.Type, n.Default = "boolean", v
	case int:
		n.Type, n.Default = "integer", v
	case int64:
		n.Pattern = sizePattern
	case time.Duration:
		n.Pattern = durationPattern
	case []engine.Quota:
		n.Type, n.Items, n.Default = []string{"array", "string"}, &node{Type: "string", Pattern: quotaPattern}, quotaTexts(v)
	case []engine.RowCheck:
		closed := false
		text := &node{Type: "string"}
		n.Type, n.Default = []string{"array", "string"}, []string{}
		n.Items = &node{Type: "object", Additional: &closed, Properties: map[string]*node{"table": text, "check": text, "message": text}}
	case []engine.AlertRule:
		closed := false
		text := &node{Type: "string"}
		n.Type, n.Default = []string{"array", "string"}, []string{}
		n.Items = &node{Type: "object", Additional: &closed, Properties: map[string]*node{"name": text, "when": text, "title": text, "body": text,
			"severity": {Type: "string", Enum: []string{"info", "warning", "critical"}}}}
	case []Builtin:
		n.Type, n.Default = []string{"array", "string"}, []string{}
		n.Items = &node{Type: "object"}
	case []AlertSink, []AlertEndpoint:
		n.Type, n.Default, n.Items = []string{"array", "string"}, []string{}, &node{Type: "object"}
	case []string:
		n.Type, n.Items, n.Default = []string{"array", "string"}, &node{Type: "string"}, append([]string{}, v...)
	}
	return n
}
