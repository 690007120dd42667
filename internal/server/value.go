package server

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// safeInteger is the largest integer that a reader of JSON which holds numbers as floats reads exactly.
const safeInteger = 1<<53 - 1

// appendValue appends a value of the database. What JSON has no form for is an object with one member that names its type, the same
// that arguments are given in.
func appendValue(b []byte, v any, bigAsText bool) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case int64:
		if bigAsText && (v > safeInteger || v < -safeInteger) {
			return append(strconv.AppendInt(append(b, '"'), v, 10), '"')
		}
		return strconv.AppendInt(b, v, 10)
	case float64:
		return appendFloat(b, v)
	case string:
		if !utf8.ValidString(v) { // JSON cannot hold it, and replacing letters would be a wrong answer
			return appendBase64(b, "text_base64", []byte(v))
		}
		return appendText(b, v)
	case []byte:
		return appendBase64(b, "blob", v)
	}
	return appendText(b, fmt.Sprint(v))
}

// appendFloat keeps a float a float: 1.0 is not 1.
func appendFloat(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, `{"float":"Infinity"}`...)
	case math.IsInf(v, -1):
		return append(b, `{"float":"-Infinity"}`...)
	}
	from := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	if !bytes.ContainsAny(b[from:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func appendBase64(b []byte, kind string, v []byte) []byte {
	b = append(append(append(b, `{"`...), kind...), `":"`...)
	return append(base64.StdEncoding.AppendEncode(b, v), `"}`...)
}

// appendText appends a string. Values are valid UTF-8 when they come here; in a name or a message the wrong bytes are replaced.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, t := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, t)
	}
	return append(b, ']')
}

func appendRow(b []byte, values []any, bigAsText bool) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v, bigAsText)
	}
	return append(b, ']')
}

// arguments reads the member args: a list binds by position, an object by name. Errors name the place and never the value.
func arguments(raw json.RawMessage) ([]any, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var list []json.RawMessage
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, badRequest("args: not JSON")
		}
		out := make([]any, len(list))
		for i, r := range list {
			v, err := argument(r)
			if err != nil {
				return nil, badRequest("args[%d]: %v", i, err)
			}
			out[i] = v
		}
		return out, nil
	}
	var named map[string]json.RawMessage
	if raw[0] != '{' || json.Unmarshal(raw, &named) != nil {
		return nil, badRequest("args: must be a list, or an object of values by name")
	}
	var out []any
	for _, name := range slices.Sorted(maps.Keys(named)) {
		v, err := argument(named[name])
		if err != nil {
			return nil, badRequest("args.%s: %v", name, err)
		}
		out = append(out, sql.Named(strings.TrimLeft(name, ":@$"), v))
	}
	return out, nil
}

var errInteger = errors.New("the integer does not fit 64 bits: bind it as text or a blob")

// argument reads one argument.
func argument(raw json.RawMessage) (any, error) {
	switch raw[0] { // a value of a document that has been parsed is not empty
	case 'n':
		return nil, nil
	case 't', 'f':
		return raw[0] == 't', nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{':
		return typedArgument(raw)
	case '[':
		return nil, errors.New("a list cannot be bound")
	}
	return number(string(raw))
}

// number makes an integer of a number that is written as one, so that no integer passes through a float.
func number(text string) (any, error) {
	if strings.ContainsAny(text, ".eE") {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errors.New("the number is too large for a float")
		}
		return x, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, errInteger
	}
	return n, nil
}

// typedArgument reads an object with one member that names the type.
func typedArgument(raw json.RawMessage) (any, error) {
	var one map[string]json.RawMessage
	if err := json.Unmarshal(raw, &one); err != nil || len(one) != 1 {
		return nil, errors.New(`an object has one member: int, float, text, text_base64 or blob`)
	}
	for kind, inner := range one {
		var text string
		if inner[0] == '"' {
			if err := json.Unmarshal(inner, &text); err != nil {
				return nil, err
			}
		} else if kind == "int" || kind == "float" {
			text = string(inner)
		} else {
			return nil, fmt.Errorf("%s wants a string", kind)
		}
		switch kind {
		case "int":
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, errInteger
			}
			return n, nil
		case "float":
			x, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(x) {
				return nil, errors.New("float wants a number, Infinity or -Infinity")
			}
			return x, nil
		case "text":
			return text, nil
		case "blob", "text_base64":
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("%s wants base64", kind)
			}
			if kind == "text_base64" {
				return string(b), nil
			}
			return b, nil
		}
	}
	return nil, errors.New("there is no such type: use int, float, text, text_base64 or blob")
}
