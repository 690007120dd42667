package sdk

import (
	"errors"
	"math"

	"github.com/tidegate/engine/sdk/abi"
)

// Services is what an instance that is a Go value may ask of its host; a nil function refuses. A module asks its imports instead.
type Services struct {
	Log    func(level Level, text string)
	Count  func(metric string, delta float64)
	Lookup func(query int, args []byte) ([]byte, error)
	Get    func(key string) (value []byte, ok bool, err error)
	Put    func(key string, value []byte) (ok bool, err error)
	Remove func(key string) error
	Post   func(endpoint string, message []byte) (ok bool, err error)
}

// Level is the level of a line of log.
type Level uint32

// The levels.
const (
	LevelDebug   = Level(abi.LevelDebug)
	LevelInfo    = Level(abi.LevelInfo)
	LevelWarning = Level(abi.LevelWarning)
	LevelError   = Level(abi.LevelError)
)

// Sentinels of what is asked of the engine.
var (
	// ErrRefused says that the engine does not do it: a quota, a limit, an endpoint that is not on the list, or a capability that is not granted.
	ErrRefused = errors.New("the engine refuses: a quota, a limit, or a capability that plugin.yaml does not grant")
	// ErrInvalid says that the arguments are not what the engine takes, such as a key or a message that is too long.
	ErrInvalid = errors.New("the engine cannot read the request")
	// ErrQuery says that the manifest does not declare the query.
	ErrQuery = errors.New("the query is not declared: add it to capabilities.lookup of plugin.yaml")
)

// Value is an argument of a query. The zero value is NULL.
type Value struct {
	kind Type
	bits uint64
	text string
}

// Int is an integer.
func Int(v int64) Value { return Value{kind: Integer, bits: uint64(v)} }

// Float64 is a float.
func Float64(v float64) Value { return Value{kind: Float, bits: math.Float64bits(v)} }

// String is a text.
func String(v string) Value { return Value{kind: Text, text: v} }

// Of is the value of a cell.
func Of(c Cell) Value {
	switch c.Type() {
	case Integer:
		return Int(c.Int())
	case Float:
		return Float64(c.Float())
	case Text, Blob:
		return Value{kind: c.Type(), text: c.Text()}
	}
	return Value{}
}

// Lookup runs a query of the manifest inside the transaction that is judged, and returns its rows, which are valid until the next Lookup. Every call counts: ask once about
// all keys of a batch rather than once a row. Where the query has more rows than the manifest's max_rows the answer is cut, and says so: see Partial.
//
// # Errors
//
// ErrQuery, ErrRefused, ErrInvalid. A query that fails ends the call, and the plug-in is not asked to go on.
func (b *Batch) Lookup(q Query, args ...Value) (Rows, error) {
	if !q.Known() {
		return Rows{}, ErrQuery
	}
	in := b.in
	in.arguments.Reset(Scan, 0, max(1, len(args)))
	for _, a := range args {
		switch a.kind {
		case Integer:
			in.arguments.Int(int64(a.bits))
		case Float:
			in.arguments.Float(math.Float64frombits(a.bits))
		case Text:
			in.arguments.Text(a.text)
		case Blob:
			in.arguments.Blob([]byte(a.text))
		default:
			in.arguments.Null()
		}
	}
	if len(args) == 0 {
		in.arguments.Null() // a batch has a column
	}
	var err error
	if in.request, err = in.arguments.Append(in.request[:0]); err != nil {
		return Rows{}, ErrInvalid
	}
	raw, err := in.lookup(q.number-1, in.request)
	if err != nil {
		return Rows{}, err
	}
	rows, err := abi.Open(raw)
	if err != nil {
		return Rows{}, ErrInvalid
	}
	return rows, nil
}

// status turns a number of the ABI into an error; what is not below zero is none.
func status(n int64) error {
	switch {
	case n >= 0:
		return nil
	case n == abi.StatusRefused:
		return ErrRefused
	}
	return ErrInvalid
}
