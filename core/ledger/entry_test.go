package ledger_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/tidegate/engine/core/ledger"
	"github.com/tidegate/engine/core/sqlite"
)

func results() [][]ledger.Step {
	return [][]ledger.Step{
		nil,
		{{RowsAffected: 1, LastInsertID: -7}},
		{{RowsAffected: math.MaxInt64, LastInsertID: math.MinInt64}, {Columns: []string{"a", ""}, Values: []sqlite.Value{
			{}, {Type: sqlite.Integer, Int: -1}, {Type: sqlite.Float, Float: math.Inf(-1)}, {Type: sqlite.Text, Bytes: []byte("héllo")},
			{Type: sqlite.Blob, Bytes: []byte{0, 255}}, {Type: sqlite.Text, Bytes: []byte{}}}}},
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, steps := range results() {
		b, err := ledger.Encode(steps)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.Decode(b)
		if err != nil || len(got) != len(steps) {
			t.Fatalf("%v became %v, %v", steps, got, err)
		}
		for i := range steps {
			if !reflect.DeepEqual(got[i], steps[i]) {
				t.Errorf("%+v became %+v", steps[i], got[i])
			}
		}
		for n := range b {
			if _, err := ledger.Decode(b[:n]); err == nil {
				t.Errorf("the first %d of %d bytes were taken for all", n, len(b))
			}
		}
		if _, err := ledger.Decode(append(b, 0)); err == nil {
			t.Error("a byte too many was let pass")
		}
	}
	_, err := ledger.Encode([]ledger.Step{{Columns: []string{"b"}, Values: []sqlite.Value{{Type: sqlite.Blob, Bytes: make([]byte, ledger.MaxResult)}}}})
	var big *ledger.TooBigError
	if !errors.As(err, &big) || big.Limit != ledger.MaxResult {
		t.Errorf("too much: %v", err)
	}
}

// TestPrint: parts that read alike are told apart.
func TestPrint(t *testing.T) {
	t.Parallel()
	seen := map[ledger.Fingerprint]int{}
	for i, parts := range [][]any{
		nil, {nil}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {[]byte("ab")}, {int64(1)}, {1.0}, {"1"}, {true, false}, {false, true}, {int64(1), "x"}, {struct{ A int }{1}},
	} {
		p := ledger.Print("kind", parts...)
		if before, ok := seen[p]; ok {
			t.Errorf("lists %d and %d have one fingerprint", before, i)
		}
		seen[p] = i
		if p != ledger.Print("kind", parts...) || p == ledger.Print("other", parts...) {
			t.Errorf("list %d", i)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, steps := range results() {
		b, err := ledger.Encode(steps)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		steps, err := ledger.Decode(b)
		if err != nil {
			return
		}
		again, err := ledger.Encode(steps)
		if err != nil {
			return // a longer way to write the same
		}
		if back, err := ledger.Decode(again); err != nil || len(back) != len(steps) {
			t.Fatalf("%v, then %v, %v", steps, back, err)
		}
	})
}
