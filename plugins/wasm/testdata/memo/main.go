//go:build wasip1

// Command memo is a rule that reads the answer of a query after it has asked for what it kept: neither may write over the other.
package main

import "github.com/tidegate/engine/sdk"

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
	return nil
}

var _ = sdk.Export(&memo{})

func main() {}
