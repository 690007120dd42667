package plugins

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// A configuration schema is a small part of JSON Schema: type, properties, required, additionalProperties (true or false), items, enum, minimum, maximum,
// default, description. Everything else is refused, so that nobody relies on a rule that is not checked. Properties that are not named are
// mistakes unless additionalProperties is true.

// checkSchema checks the schema itself.
func checkSchema(l *mistakes, key string, schema map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(schema)) {
		v := schema[k]
		switch k {
		case "type":
			s, _ := v.(string)
			l.add(!slices.Contains([]string{"object", "array", "string", "number", "integer", "boolean"}, s), "%s.type: %v is no type", key, v)
		case "properties":
			props, ok := v.(map[string]any)
			l.add(!ok, "%s.properties: not a map", key)
			for _, name := range slices.Sorted(maps.Keys(props)) {
				sub, ok := props[name].(map[string]any)
				l.add(!ok, "%s.properties.%s: not a map", key, name)
				checkSchema(l, key+".properties."+name, sub)
			}
		case "items":
			sub, ok := v.(map[string]any)
			l.add(!ok, "%s.items: not a map", key)
			checkSchema(l, key+".items", sub)
		case "required", "enum":
			_, ok := v.([]any)
			l.add(!ok, "%s.%s: not a list", key, k)
		case "additionalProperties":
			_, ok := v.(bool)
			l.add(!ok, "%s.additionalProperties: not true or false", key)
		case "minimum", "maximum":
			_, ok := number(v)
			l.add(!ok, "%s.%s: not a number", key, k)
		case "default", "description", "title":
		default:
			l.add(true, "%s.%s: this part of JSON Schema is not supported", key, k)
		}
	}
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// checkValue checks a value against a schema.
func checkValue(l *mistakes, key string, schema map[string]any, v any) {
	if want, _ := schema["type"].(string); want != "" && !isType(v, want) {
		l.add(true, "%s: not of type %s", key, want)
		return
	}
	if enum, ok := schema["enum"].([]any); ok {
		l.add(!slices.ContainsFunc(enum, func(e any) bool { return equal(e, v) }), "%s: none of %v", key, enum)
	}
	if n, ok := number(v); ok {
		low, has := number(schema["minimum"])
		l.add(has && n < low, "%s: less than %v", key, low)
		high, has := number(schema["maximum"])
		l.add(has && n > high, "%s: more than %v", key, high)
	}
	switch v := v.(type) {
	case map[string]any:
		checkObject(l, key, schema, v)
	case []any:
		if items, ok := schema["items"].(map[string]any); ok {
			for i, item := range v {
				checkValue(l, key+"["+strconv.Itoa(i)+"]", items, item)
			}
		}
	}
}

// equal compares values of YAML or JSON; a number is the same whatever type it was read as.
func equal(a, b any) bool {
	x, isX := number(a)
	y, isY := number(b)
	return isX && isY && x == y || reflect.DeepEqual(a, b)
}

func checkObject(l *mistakes, key string, schema, v map[string]any) {
	props, _ := schema["properties"].(map[string]any)
	more, _ := schema["additionalProperties"].(bool)
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if sub, ok := props[name].(map[string]any); ok {
			checkValue(l, key+"."+name, sub, v[name])
		} else {
			l.add(!more, "%s.%s: unknown", key, name)
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		_, ok := v[fmt.Sprint(name)]
		l.add(!ok, "%s.%v: missing", key, name)
	}
}

func isType(v any, want string) bool {
	switch want {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "integer":
		n, ok := number(v)
		return ok && n == math.Trunc(n)
	}
	_, ok := number(v)
	return ok
}

// withDefaults adds what a schema says of properties that are missing, in the objects that are there, however deep.
func withDefaults(schema, v map[string]any) map[string]any {
	out := maps.Clone(orEmpty(v))
	props, _ := schema["properties"].(map[string]any)
	for name, s := range props {
		sub, _ := s.(map[string]any)
		if have, there := out[name]; there {
			out[name] = completed(sub, have)
		} else if sub["default"] != nil {
			out[name] = sub["default"]
		}
	}
	return out
}

// completed is a value with the defaults of the objects in it.
func completed(schema map[string]any, v any) any {
	switch v := v.(type) {
	case map[string]any:
		return withDefaults(schema, v)
	case []any:
		items, _ := schema["items"].(map[string]any)
		out := slices.Clone(v)
		for i := range out {
			out[i] = completed(items, out[i])
		}
		return out
	}
	return v
}

// document is what tg_configure gets; package abi describes it.
type document struct {
	ABI     int              `json:"abi"`
	Name    string           `json:"name"`
	Version string           `json:"version"`
	Config  map[string]any   `json:"config"`
	Schemas []documentSchema `json:"schemas"`
	Lookups []documentLookup `json:"lookups"`
}

type documentSchema struct {
	ID      int      `json:"id"`
	Table   string   `json:"table"`
	On      string   `json:"on"`
	When    string   `json:"when"`
	Columns []string `json:"columns"`
}

type documentLookup struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Document is the configuration document of the manifest: the same manifest gives the same bytes.
func (m *Manifest) Document() ([]byte, error) {
	d := document{ABI: m.ABI, Name: m.Name, Version: m.Version, Config: withDefaults(m.ConfigSchema, m.Config), Schemas: []documentSchema{}, Lookups: []documentLookup{}}
	for i, h := range m.Hooks {
		when := h.When
		if when == "" && h.On == "validate" {
			when = "statement"
		}
		d.Schemas = append(d.Schemas, documentSchema{i, h.Table, h.On, when, h.columns()})
	}
	for i, q := range m.Capabilities.Lookup {
		d.Lookups = append(d.Lookups, documentLookup{i, q.Name})
	}
	b, err := json.Marshal(d)
	if err != nil {
		return nil, &ManifestError{[]string{"config: " + err.Error()}}
	}
	return b, nil
}
