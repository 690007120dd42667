package slowlog

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// Policy says what is written down of bindings. The zero value is their types and lengths.
type Policy uint8

// The policies.
const (
	// Shape: types and lengths.
	Shape Policy = iota
	// None: not even how many there are.
	None
	// Hash: a keyed hash of each, whose key dies with the process: equal values can be told within one run, and nothing be found by trying.
	Hash
	// Full: the values themselves, but of blobs their length. They are in the telemetry database then, for everybody who reads it.
	Full
)

// String is the policy's name in the configuration.
func (p Policy) String() string {
	names := [...]string{"shape", "none", "hash", "full"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// maxValue bounds a value that is written down, in bytes.
const maxValue = 256

// render writes bindings down.
func (p Policy) render(args []any, key []byte) []string {
	if p == None || args == nil {
		return nil
	}
	out := make([]string, len(args))
	for i, a := range args {
		name := ""
		if n, ok := a.(sql.NamedArg); ok {
			name, a = n.Name+"=", n.Value
		}
		out[i] = name + p.one(a, key)
	}
	return out
}

func (p Policy) one(a any, key []byte) string {
	if b, ok := a.([]byte); ok {
		return "BLOB(" + strconv.Itoa(len(b)) + ")"
	}
	switch p {
	case Hash:
		if a == nil {
			return "NULL"
		}
		h := hmac.New(sha256.New, key)
		fmt.Fprintf(h, "%T %v", a, a)
		return "#" + hex.EncodeToString(h.Sum(nil)[:8])
	case Full:
		return full(a)
	}
	return shape(a)
}

func shape(a any) string {
	switch v := a.(type) {
	case nil:
		return "NULL"
	case string:
		return "TEXT(" + strconv.Itoa(len(v)) + ")"
	case float32, float64:
		return "REAL"
	case time.Time:
		return "TIME"
	case bool, int, int8, int16, int32, int64, uint8, uint16, uint32:
		return "INTEGER"
	}
	return "VALUE"
}

func full(a any) string {
	switch v := a.(type) {
	case nil:
		return "NULL"
	case string:
		if len(v) > maxValue {
			return strconv.Quote(v[:maxValue]) + "…"
		}
		return strconv.Quote(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	s := fmt.Sprint(a)
	return s[:min(len(s), maxValue)]
}
