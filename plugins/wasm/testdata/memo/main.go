//go:build wasip1

// Command memo is a rule that reads the answer of a query after it has asked for what it kept: neither may write over the other. Then it asks for
// what is refused, and fails where that does not come back as the error that the SDK names.
package main

import (
	"errors"
	"strings"

	"github.com/tidegate/engine/sdk"
)

type memo struct{ query sdk.Query }

func (m *memo) Configure(c *sdk.Config) error {
	m.query = c.Lookup("q")
	return nil
}

func (m *memo) Validate(b *sdk.Batch, v *sdk.Verdicts) error {
	rows, err := b.Lookup(m.query, sdk.Int(1))
	if err != nil {
		return err
	}
	if err := b.Put("key", make([]byte, 64)); err != nil {
		return err
	}
	value, ok, err := b.Get("key")
	if err != nil {
		return err
	}
	if got := rows.Cell(0, 0, 0).Int(); got != 42 || !ok || len(value) != 64 {
		v.Reject(0, sdk.WholeRow, 1, "the answer of the query is another one after a value was read")
	}
	return refused(b)
}

// refused asks for what the host does not do: why comes as the error that says so.
func refused(b *sdk.Batch) error {
	long := strings.Repeat("x", 300)
	_, _, getEmpty := b.Get("")
	_, _, getLong := b.Get(long)
	for what, got := range map[string][2]error{
		"get of no key": {getEmpty, sdk.ErrInvalid}, "get of a long key": {getLong, sdk.ErrInvalid},
		"put of no key": {b.Put("", []byte("x")), sdk.ErrInvalid}, "put of a long key": {b.Put(long, nil), sdk.ErrInvalid}, "put of a large value": {b.Put("key", make([]byte, 1<<20)), sdk.ErrInvalid},
		"put over the quota": {b.Put("key", make([]byte, 200)), sdk.ErrRefused}, "remove of no key": {b.Remove(""), sdk.ErrInvalid}, "remove of a key": {b.Remove("key"), nil},
		"post to a long endpoint": {b.Post(long, sdk.Post{}), sdk.ErrInvalid}, "post to an endpoint that is not granted": {b.Post("others", sdk.Post{}), sdk.ErrRefused},
		"post": {b.Post("desk", sdk.Post{Body: []byte("x")}), nil},
	} {
		if got[0] != got[1] {
			return errors.New(what + " gave another error than it should")
		}
	}
	return nil
}

var _ = sdk.Export(&memo{})

func main() {}
