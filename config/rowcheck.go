package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine"
)

// rowCheck is a declared rule as it is written: in the file as a mapping of these three, elsewhere as a JSON array of such objects, since an expression of SQL
// may hold any separator.
type rowCheck struct {
	Table   string `json:"table" yaml:"table"`
	Check   string `json:"check" yaml:"check"`
	Message string `json:"message,omitempty" yaml:"message"`
}

// parseRowChecks reads the JSON form; "" is none.
func parseRowChecks(text string) (any, error) {
	if text == "" {
		return []engine.RowCheck(nil), nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	var in []rowCheck
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf(`must be JSON, as in: [{"table": "trades", "check": "qty > 0", "message": "…"}]: %w`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one JSON array")
	}
	return rowChecks(in), nil
}

func rowChecks(in []rowCheck) []engine.RowCheck {
	var out []engine.RowCheck
	for _, c := range in {
		out = append(out, engine.RowCheck{Table: c.Table, Expr: c.Check, Message: c.Message})
	}
	return out
}

// rowCheckText writes the JSON form.
func rowCheckText(checks []engine.RowCheck) string {
	if len(checks) == 0 {
		return ""
	}
	out := make([]rowCheck, len(checks))
	for i, c := range checks {
		out[i] = rowCheck{c.Table, c.Expr, c.Message}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(out) // texts always encode
	return string(bytes.TrimSpace(b.Bytes()))
}

// rowChecks takes the list of a file.
func (r *reader) rowChecks(st setting, line int, value *yaml.Node) {
	found, ok := r.mappings(st, value, []string{"table", "check", "message"}, "must be a list of rules, each with a table, a check and perhaps a message", "knows table, check and message, each a text, and not ")
	if !ok {
		return
	}
	var in []rowCheck
	for _, m := range found {
		in = append(in, rowCheck{m["table"], m["check"], m["message"]})
	}
	r.add(st, rowCheckText(rowChecks(in)), r.at(line))
}

// mappings reads a list of mappings from the given keys to texts; it says what is wrong and reports whether nothing is.
func (r *reader) mappings(st setting, value *yaml.Node, keys []string, wrongList, wrongKey string) (out []map[string]string, ok bool) {
	for _, n := range value.Content {
		n = resolve(n)
		m := map[string]string{}
		if n.Kind != yaml.MappingNode {
			r.wrong(st.key, n.Line, wrongList)
			return nil, false
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, text := n.Content[i], resolve(n.Content[i+1])
			if !slices.Contains(keys, name.Value) || text.Kind != yaml.ScalarNode {
				r.wrong(st.key, name.Line, wrongKey+short(name.Value))
				return nil, false
			}
			m[name.Value] = text.Value
		}
		out = append(out, m)
	}
	return out, true
}
