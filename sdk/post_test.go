package sdk_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

func oneRow(t testing.TB) []byte {
	t.Helper()
	var b abi.Batch
	b.Reset(abi.OpInsert, 0, 1)
	b.Int(1)
	raw, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A header with a line break in it would be a header that somebody else wrote.
func TestPostRefusesHeaders(t *testing.T) {
	t.Parallel()
	for _, h := range [][2]string{{"a", "b\nc: d"}, {"a\nb", "c"}, {"a:", "b"}, {"", "b"}, {"A", "b"}, {"a", " b"}, {"a", "b\r"}, {"a b", "c"}} {
		if _, err := (&sdk.Post{Headers: [][2]string{h}}).Append(nil); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%q: %v", h, err)
		}
	}
	if got, err := (&sdk.Post{Body: make([]byte, sdk.MaxPost)}).Append([]byte("x")); !errors.Is(err, sdk.ErrInvalid) || string(got) != "x" {
		t.Errorf("too much was taken: %v", err)
	}
}

// FuzzPost reads messages and writes them again: what is read is what was written, and nothing else is taken.
func FuzzPost(f *testing.F) {
	for _, s := range []string{"\n", "a: b\n\nbody", "a: b\nc: d\n\n\n", "a:b\n\n", "a: b", "A: b\n\n", "a: b\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := sdk.ParsePost(raw)
		if err != nil {
			return
		}
		again, err := p.Append(nil)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%q was read as %q and written as %q: %v", raw, p, again, err)
		}
		if q, err := sdk.ParsePost(again); err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("%q, %q, %v", p, q, err)
		}
	})
}
