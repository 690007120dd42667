package config_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidegate/engine/config"
)

// schema is as much of JSON Schema as Schema uses.
type schema struct {
	Type        any                `json:"type"`
	Description string             `json:"description"`
	Properties  map[string]*schema `json:"properties"`
	Additional  *bool              `json:"additionalProperties"`
	Enum        []string           `json:"enum"`
	Pattern     string             `json:"pattern"`
	Default     any                `json:"default"`
}

// settings collects the leaves by key.
func (s *schema) settings(t *testing.T, prefix string, out map[string]*schema) {
	t.Helper()
	if s.Properties == nil {
		out[prefix] = s
		return
	}
	if s.Additional == nil || *s.Additional {
		t.Errorf("section %q lets unknown keys pass", prefix)
	}
	for name, p := range s.Properties {
		p.settings(t, strings.TrimPrefix(prefix+"."+name, "."), out)
	}
}

func parsed(t *testing.T) map[string]*schema {
	t.Helper()
	var root schema
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	out := map[string]*schema{}
	root.settings(t, "", out)
	return out
}

func TestSchemaHasEverySetting(t *testing.T) {
	t.Parallel()
	have := parsed(t)
	values := load(t, config.Sources{}).Values()
	if len(have) != len(values) {
		t.Errorf("%d settings in the schema, %d in the table", len(have), len(values))
	}
	for _, v := range values {
		s := have[v.Key]
		if s == nil || s.Description != v.Doc || s.Default == nil {
			t.Errorf("%s: %+v", v.Key, s)
			continue
		}
		if text, ok := s.Default.(string); ok && !s.allows(text) {
			t.Errorf("%s: the schema refuses its own default %q", v.Key, text)
		}
	}
}

func (s *schema) allows(text string) bool {
	return (s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(text)) && (s.Enum == nil || slices.Contains(s.Enum, text))
}

// For texts, the schema and the loader agree on what can be written.
func TestSchemaAgreesWithLoad(t *testing.T) {
	t.Parallel()
	texts := []string{"5s", "5", "0", "1m30s", "1.5h", "5 s", "s", "", "64MiB", "64 MiB", "64", "64mib", "1.5GiB", "12B", "7kB", "7KB", "durable", "Durable",
		"relaxed", "none", "trading", "string", "number", "127.0.0.1:1", "localhost", "unix:/run/s", "unix:", "[::1]:80"}
	refused := map[bool]int{}
	for key, s := range parsed(t) {
		if s.Type != "string" || s.Pattern == "" && s.Enum == nil {
			continue
		}
		for _, text := range texts {
			understood := true
			for _, line := range mistakes(t, config.Sources{Flags: []config.Flag{{Name: "--set", Key: key, Value: text}}}) {
				// What can be read and cannot work is beyond a schema.
				understood = understood && (strings.Contains(line, "must be positive") || strings.Contains(line, "soft ≤ hard") || strings.Contains(line, "cache_kib"))
			}
			if s.allows(text) != understood {
				t.Errorf("%s: %q: schema %v, Load %v", key, text, s.allows(text), understood)
			}
			refused[understood]++
		}
	}
	if refused[true] < 50 || refused[false] < 50 {
		t.Errorf("%v: one side was hardly tried", refused)
	}
}
