package sqlite_test

import (
	"math"
	"testing"

	"github.com/tidegate/engine/core/sqlite"
)

func TestAppendExactTellsRowsApart(t *testing.T) {
	t.Parallel()
	text := func(s string) sqlite.Value { return sqlite.Value{Type: sqlite.Text, Bytes: []byte(s)} }
	integer := func(n int64) sqlite.Value { return sqlite.Value{Type: sqlite.Integer, Int: n} }
	float := func(f float64) sqlite.Value { return sqlite.Value{Type: sqlite.Float, Float: f} }
	seen := map[string]int{}
	for i, row := range [][]sqlite.Value{
		{}, {{}}, {{}, {}}, {integer(0)}, {integer(1)}, {integer(-1)}, {float(0)}, {float(math.Copysign(0, -1))}, {float(1)}, {text("")}, {text("a"), text("b")},
		{text("ab"), text("")}, {text("ab")}, {{Type: sqlite.Blob, Bytes: []byte("ab")}}, {text("1")}, {text("a\x00")}, {text("a"), {}},
	} {
		b := string(sqlite.AppendExact(nil, row))
		if other, twice := seen[b]; twice {
			t.Errorf("rows %d and %d are the same: %x", other, i, b)
		}
		seen[b] = i
	}
}
