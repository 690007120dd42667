package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// Bind sets all parameters. It takes nil, bool, every integer and float type, string, []byte, time.Time (stored as TEXT in RFC 3339
// with nanoseconds, UTC), sql.NamedArg, driver.Valuer, Value, types derived from these, and pointers to them; a nil pointer is NULL.
//
// # Errors
//
// Class Args for a wrong count, an unknown or missing name, an unsupported type or an integer beyond int64; it names the position and
// the type, never the value. Class TooBig for a value beyond the limit.
func (s *Stmt) Bind(args []any) (err error) {
	c := s.conn
	if err := c.enter("bind"); err != nil {
		return err
	}
	defer c.leave("bind", &err)
	return s.bind(args)
}

func (s *Stmt) bind(args []any) error {
	if s.state != stmtReset {
		s.reset()
	}
	for i := range args {
		if _, ok := args[i].(sql.NamedArg); ok {
			return s.bindNamed(args)
		}
	}
	if len(args) != int(s.params) {
		return s.countError(len(args))
	}
	for i, a := range args {
		if err := s.bindOne(i+1, a, 0); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stmt) countError(given int) error {
	return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("the statement has %d parameters, %d arguments were given", s.params, given)}
}

// bindNamed binds a mix of positional arguments, which count from the first parameter, and named ones.
func (s *Stmt) bindNamed(args []any) error {
	if s.names == nil {
		s.names = make([]string, s.params)
		for i := range s.names {
			s.names[i] = s.raw.BindName(i + 1)
		}
	}
	bound := make([]bool, s.params)
	for i, a := range args {
		named, ok := a.(sql.NamedArg)
		if !ok {
			if i >= len(bound) {
				return s.countError(len(args))
			}
			if err := s.bindOne(i+1, a, 0); err != nil {
				return err
			}
			bound[i] = true
			continue
		}
		found := false
		for j, name := range s.names {
			// Names carry their prefix (:a, @a, $a); one name may stand under several prefixes.
			if name != "" && strings.TrimLeft(named.Name, ":@$") == name[1:] {
				if err := s.bindOne(j+1, named.Value, 0); err != nil {
					return err
				}
				bound[j], found = true, true
			}
		}
		if !found {
			return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("there is no parameter named %q", named.Name)}
		}
	}
	for i, ok := range bound {
		if !ok {
			what := fmt.Sprintf("parameter %d", i+1)
			if s.names[i] != "" {
				what += " (" + s.names[i] + ")"
			}
			return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("%s has no argument; the statement has %d parameters, %d arguments were given", what, s.params, len(args))}
		}
	}
	return nil
}

func (s *Stmt) bindOne(i int, arg any, depth int) error {
	var err error
	switch v := arg.(type) {
	case nil:
		err = s.raw.BindNull(i)
	case int64:
		err = s.raw.BindInt64(i, v)
	case int:
		err = s.raw.BindInt64(i, int64(v))
	case string:
		s.heavy = s.heavy || len(v) > heavyBinding
		err = s.raw.BindText(i, v)
	case []byte:
		s.heavy = s.heavy || len(v) > heavyBinding
		err = s.raw.BindBlob(i, v)
	case float64:
		err = s.bindFloat(i, v)
	case bool:
		err = s.raw.BindBool(i, v)
	case time.Time:
		var buf [48]byte
		err = s.raw.BindRawText(i, v.UTC().AppendFormat(buf[:0], time.RFC3339Nano))
	case Value:
		err = s.bindValue(i, v)
	default:
		return s.bindOther(i, arg, depth)
	}
	return s.conn.wrap("bind", err)
}

// bindFloat refuses NaN, which SQLite would silently store as NULL.
func (s *Stmt) bindFloat(i int, v float64) error {
	if math.IsNaN(v) {
		return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("argument %d is NaN, which SQLite cannot store; use nil for a missing number", i)}
	}
	return s.raw.BindFloat(i, v)
}

func (s *Stmt) bindValue(i int, v Value) error {
	switch v.Type {
	case Integer:
		return s.raw.BindInt64(i, v.Int)
	case Float:
		return s.bindFloat(i, v.Float)
	case Text:
		s.heavy = s.heavy || len(v.Bytes) > heavyBinding
		return s.raw.BindText(i, string(v.Bytes))
	case Blob:
		s.heavy = s.heavy || len(v.Bytes) > heavyBinding
		if v.Bytes == nil {
			return s.raw.BindZeroBlob(i, 0)
		}
		return s.raw.BindBlob(i, v.Bytes)
	}
	return s.raw.BindNull(i)
}

// maxIndirection bounds pointers to pointers and Valuers that return Valuers.
const maxIndirection = 8

func (s *Stmt) bindOther(i int, arg any, depth int) error {
	if depth > maxIndirection {
		return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("argument %d (%T) leads to other values more than %d times", i, arg, maxIndirection)}
	}
	rv := reflect.ValueOf(arg)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return s.bindOne(i, nil, depth+1)
	}
	if valuer, ok := arg.(driver.Valuer); ok {
		v, err := valueOf(valuer)
		if err != nil {
			return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("argument %d: Value of %T failed", i, arg), Cause: err}
		}
		return s.bindOne(i, v, depth+1)
	}
	switch rv.Kind() {
	case reflect.Pointer:
		return s.bindOne(i, rv.Elem().Interface(), depth+1)
	case reflect.Bool:
		return s.bindOne(i, rv.Bool(), depth+1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return s.bindOne(i, rv.Int(), depth+1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if rv.Uint() > math.MaxInt64 {
			return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("argument %d (%T) is beyond the range of a 64-bit signed integer; bind it as text", i, arg)}
		}
		return s.bindOne(i, int64(rv.Uint()), depth+1)
	case reflect.Float32, reflect.Float64:
		return s.bindOne(i, rv.Float(), depth+1)
	case reflect.String:
		return s.bindOne(i, rv.String(), depth+1)
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return s.bindOne(i, rv.Bytes(), depth+1)
		}
	}
	return &Error{Class: Args, Op: "bind", Msg: fmt.Sprintf("argument %d has type %T, which SQLite cannot store; implement driver.Valuer or convert it", i, arg)}
}

// valueOf calls foreign code, whose panic must not look like one of SQLite's.
func valueOf(v driver.Valuer) (out driver.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r}
		}
	}()
	return v.Value()
}
