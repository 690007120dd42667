package sqlite

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Function is a scalar SQL function in Go. It is registered on every connection of a Store, so Scalar is called by several goroutines
// at once.
type Function struct {
	Name string
	Args int // number of arguments; -1 for any

	// Deterministic promises that equal arguments give equal results; indexes and generated columns need it.
	Deterministic bool

	// Schema allows the function in views, triggers, CHECKs and indexes, whose text may come with a foreign database file.
	// Set it only for functions without side effects that reveal nothing.
	Schema bool

	// Scalar returns nil, bool, int, int64, float64, string, []byte, time.Time or Value. The arguments are valid during the call only.
	// An error or a panic fails the statement; the connection stays good.
	Scalar func(args []Value) (any, error)
}

// Collation is an ordering of text in Go. Compare returns <0, 0 or >0, is called by several goroutines at once, must always give the
// same answer and must not panic: a panic costs the connection. An index that uses it cannot be read without it.
type Collation struct {
	Name    string
	Compare func(a, b []byte) int
}

// Extension is a compiled-in extension of SQLite; see FTS5 and RTree.
type Extension struct {
	name string
	load func(*sqlite3.Conn) error
}

// Name returns the name of the extension.
func (e Extension) Name() string { return e.name }

func (c *Conn) register(opt *Options) error {
	for _, e := range opt.Extensions {
		if e.load == nil {
			return &Error{Class: Args, Op: "connect", Msg: "an Extension is empty; use FTS5() or RTree()"}
		}
		if err := e.load(c.raw); err != nil {
			return &Error{Class: SQL, Op: "connect", Msg: "loading extension " + e.name, Cause: c.wrap("extension", err)}
		}
	}
	for i := range opt.Functions {
		f := &opt.Functions[i]
		var flags sqlite3.FunctionFlag
		if f.Deterministic {
			flags |= sqlite3.DETERMINISTIC
		}
		if f.Schema {
			flags |= sqlite3.INNOCUOUS
		}
		if err := c.raw.CreateFunction(f.Name, f.Args, flags, c.scalar(f)); err != nil {
			return &Error{Class: Args, Op: "connect", Msg: fmt.Sprintf("registering function %q", f.Name), Cause: c.wrap("function", err)}
		}
	}
	for i := range opt.Collations {
		k := &opt.Collations[i]
		compare := func(a, b []byte) int {
			c.gate.toGo()
			n := k.Compare(a, b)
			c.gate.fromGo()
			return n
		}
		if err := c.raw.CreateCollation(k.Name, compare); err != nil {
			return &Error{Class: Args, Op: "connect", Msg: fmt.Sprintf("registering collation %q", k.Name), Cause: c.wrap("collation", err)}
		}
	}
	return nil
}

func (c *Conn) scalar(f *Function) sqlite3.ScalarFunction {
	return func(ctx sqlite3.Context, raw ...sqlite3.Value) {
		args := make([]Value, len(raw))
		for i, v := range raw {
			args[i] = argument(v)
		}
		c.gate.toGo()
		out, err := c.callGo(f, args)
		c.gate.fromGo()
		if err == nil {
			err = setResult(ctx, out)
		}
		if err != nil {
			ctx.ResultError(fmt.Errorf("%s(): %w", f.Name, err))
		}
	}
}

// callGo runs foreign code. A runtime.Goexit in it unwinds SQLite like a panic that nobody can recover, so it costs the connection.
func (c *Conn) callGo(f *Function, args []Value) (out any, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			c.fnPanic = &PanicError{Value: r, Stack: debug.Stack()}
			out, err = nil, fmt.Errorf("panicked")
			return
		}
		c.broken.CompareAndSwap(nil, &brokenState{err: &Error{Class: Poisoned, Op: "function",
			Msg: f.Name + "() ended its goroutine inside SQLite; the connection is discarded"}})
		c.gate.state.CompareAndSwap(gateInGo, gateInside)
	}()
	out, err = f.Scalar(args)
	returned = true
	return out, err
}

// argument copies text and blobs: they lie in memory that SQLite may move.
func argument(v sqlite3.Value) Value {
	switch v.Type() {
	case sqlite3.INTEGER:
		return Value{Type: Integer, Int: v.Int64()}
	case sqlite3.FLOAT:
		return Value{Type: Float, Float: v.Float()}
	case sqlite3.TEXT:
		return Value{Type: Text, Bytes: append([]byte{}, v.RawText()...)}
	case sqlite3.BLOB:
		return Value{Type: Blob, Bytes: append([]byte{}, v.RawBlob()...)}
	}
	return Value{}
}

func setResult(ctx sqlite3.Context, out any) error {
	switch v := out.(type) {
	case nil:
		ctx.ResultNull()
	case bool:
		ctx.ResultBool(v)
	case int:
		ctx.ResultInt64(int64(v))
	case int64:
		ctx.ResultInt64(v)
	case float64:
		ctx.ResultFloat(v)
	case string:
		ctx.ResultText(v)
	case []byte:
		if v == nil {
			ctx.ResultNull()
		} else {
			ctx.ResultBlob(v)
		}
	case time.Time:
		ctx.ResultText(v.UTC().Format(time.RFC3339Nano))
	case Value:
		return setResult(ctx, v.Any())
	default:
		return fmt.Errorf("returned a %T, which SQLite cannot store", out)
	}
	return nil
}
