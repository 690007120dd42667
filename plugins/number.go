package plugins

import "encoding/json"

// PlainNumbers makes numbers of every json.Number in a document that was decoded with UseNumber, in place: integers where nothing is lost, floats else.
func PlainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = PlainNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = PlainNumbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
