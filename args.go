package engine

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"time"
)

// maxIndirection bounds pointers to pointers: a pointer may lead to itself.
const maxIndirection = 8

// plainArgs turns arguments into values that can be bound without running anybody's code. What is plain already is
// returned as it is, without allocating.
func plainArgs(args []any) ([]any, error) {
	var out []any
	for i, a := range args {
		if isPlain(a) {
			if out != nil {
				out[i] = a
			}
			continue
		}
		if out == nil {
			out = append([]any(nil), args...)
		}
		v, err := plain(a, argument{at: i + 1})
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	if out == nil {
		return args, nil
	}
	return out, nil
}

func isPlain(a any) bool {
	switch a.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint8, uint16, uint32, float32, float64, string, time.Time:
		return true
	}
	return false
}

// argument says which one an error is about, and how many pointers deep.
type argument struct {
	at    int
	name  string // of a named one
	depth int
}

// String names the argument in an error.
func (w argument) String() string {
	if w.name != "" {
		return fmt.Sprintf("argument %q", w.name)
	}
	return fmt.Sprintf("argument %d", w.at)
}

func plain(a any, w argument) (any, error) {
	if isPlain(a) {
		return a, nil
	}
	switch v := a.(type) {
	case []byte:
		if v == nil {
			return nil, nil
		}
		return bytes.Clone(v), nil // the caller may use its buffer again before the lane has bound it
	case uint:
		return fromUint(uint64(v), w)
	case uint64:
		return fromUint(v, w)
	case sql.NamedArg:
		if w.name != "" {
			return nil, argErrorf("%s holds another named argument", w)
		}
		w.name = v.Name
		inner, err := plain(v.Value, w)
		v.Value = inner
		return v, err
	case driver.Valuer:
		return fromValuer(v, w)
	}
	return byKind(reflect.ValueOf(a), w)
}

func fromValuer(v driver.Valuer, w argument) (any, error) {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, nil
	}
	inner, err := v.Value()
	if err != nil {
		return nil, argErrorf("%s: %T.Value failed", w, v)
	}
	if _, again := inner.(driver.Valuer); again {
		return nil, argErrorf("%s: %T.Value returned another Valuer", w, v)
	}
	return plain(inner, w)
}

// byKind handles named types and pointers.
func byKind(v reflect.Value, w argument) (any, error) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		if w.depth++; w.depth > maxIndirection {
			return nil, argErrorf("%s: type %s is a pointer to pointers: pass what they lead to", w, v.Type())
		}
		return plain(v.Elem().Interface(), w)
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fromUint(v.Uint(), w)
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.IsNil() {
				return nil, nil
			}
			return bytes.Clone(v.Bytes()), nil
		}
	}
	return nil, argErrorf("%s: type %s is not supported: pass a number, string, []byte, bool, time.Time, nil, a pointer to one, or a driver.Valuer", w, v.Type())
}

func fromUint(u uint64, w argument) (any, error) {
	if u > math.MaxInt64 {
		return nil, argErrorf("%s: an unsigned integer above 2^63-1 does not fit SQLite's INTEGER: pass it as text or a blob", w)
	}
	return int64(u), nil
}
