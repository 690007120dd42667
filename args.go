package engine

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"math"
	"reflect"
	"time"
)

// plainArgs turns arguments into values that can be bound without running anybody's code. What is plain already is
// returned as it is, without allocating.
func plainArgs(args []any) ([]any, error) {
	var out []any
	for i, a := range args {
		switch a.(type) {
		case nil, bool, int, int8, int16, int32, int64, uint8, uint16, uint32, float32, float64, string, time.Time:
			if out != nil {
				out[i] = a
			}
			continue
		}
		if out == nil {
			out = append([]any(nil), args...)
		}
		v, err := plain(a, i)
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

func plain(a any, i int) (any, error) {
	switch v := a.(type) {
	case []byte:
		if v == nil {
			return nil, nil
		}
		return bytes.Clone(v), nil // the caller may use its buffer again before the lane has bound it
	case uint:
		return fromUint(uint64(v), i)
	case uint64:
		return fromUint(v, i)
	case sql.NamedArg:
		inner, err := plainArgs([]any{v.Value})
		if err != nil {
			return nil, argErrorf("argument %q: its type %T is not supported", v.Name, v.Value)
		}
		v.Value = inner[0]
		return v, nil
	case driver.Valuer:
		if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return nil, nil
		}
		inner, err := v.Value()
		if err != nil {
			return nil, argErrorf("argument %d: %T.Value failed", i+1, a)
		}
		if _, again := inner.(driver.Valuer); again {
			return nil, argErrorf("argument %d: %T.Value returned another Valuer", i+1, a)
		}
		out, err := plainArgs([]any{inner})
		if err != nil {
			return nil, err
		}
		return out[0], nil
	}
	return byKind(reflect.ValueOf(a), i)
}

// byKind handles named types and pointers.
func byKind(v reflect.Value, i int) (any, error) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		out, err := plainArgs([]any{v.Elem().Interface()})
		if err != nil {
			return nil, err
		}
		return out[0], nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fromUint(v.Uint(), i)
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
	return nil, argErrorf("argument %d: type %s is not supported: pass a number, string, []byte, bool, time.Time, nil, a pointer to one, or a driver.Valuer", i+1, v.Type())
}

func fromUint(u uint64, i int) (any, error) {
	if u > math.MaxInt64 {
		return nil, argErrorf("argument %d: an unsigned integer above 2^63-1 does not fit SQLite's INTEGER: pass it as text or a blob", i+1)
	}
	return int64(u), nil
}
