package sdk_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidegate/engine/sdk"
	"github.com/tidegate/engine/sdk/abi"
)

// reading is a plug-in that keeps what it was configured with.
type reading struct{ c *sdk.Config }

func (r *reading) Configure(c *sdk.Config) error            { r.c = c; return nil }
func (r *reading) Validate(*sdk.Batch, *sdk.Verdicts) error { return nil }
func (r *reading) Notify(*sdk.Batch, *sdk.Deliveries) error { return nil }
func (r *reading) refuses(t testing.TB, doc string) (why string) {
	t.Helper()
	block := sdk.NewInstance(r, sdk.Services{}).Configure([]byte(doc))
	if block == nil {
		return ""
	}
	kind, records, err := abi.DecodeBlock(nil, block, 0, 0)
	if err != nil || kind != abi.Failure {
		t.Fatal(kind, err)
	}
	return records[0].Message
}

// FuzzConfiguration holds the reader of documents to encoding/json: it takes the same documents and reads the same texts and numbers.
func FuzzConfiguration(f *testing.F) {
	for _, s := range []string{`{"config":{"k":"v"}}`, `{"config":{"k":"\u00e9\ud83d\ude00\ud83d\n"}}`, `{"config":{"k":-12.5e3}}`, `{"config":{"k":01}}`, `{"config":{"k":[1,{"a":null}]}} `, `{"config":{"k":"\x"}}`,
		`{"config":{"k":9223372036854775807}}`, `{"config":{"k":1,"k":"z"}}`, "{\"config\":{\"k\":\"\xff\"}}", `{"config":`, `[]`, `{"config":{"k":tru}}`, strings.Repeat("[", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		var want struct{ Config map[string]json.RawMessage }
		var any map[string]json.RawMessage
		valid := json.Valid([]byte(doc))
		r := &reading{}
		why := r.refuses(t, doc)
		if !valid {
			if why == "" {
				t.Fatalf("%q was taken, and is no JSON", doc)
			}
			return
		}
		if json.Unmarshal([]byte(doc), &any) != nil || strings.Count(doc, "[")+strings.Count(doc, "{") > 90 {
			return // no object, or one that may be nested too deeply
		}
		if len(any) != 1 || any["config"] == nil || json.Unmarshal([]byte(doc), &want) != nil || string(any["config"]) == "null" {
			return // about other parts of the document
		}
		if why != "" {
			t.Fatalf("%q was refused: %s", doc, why)
		}
		for key, raw := range want.Config {
			var text string
			var number json.Number
			switch {
			case string(raw) == "null":
			case json.Unmarshal(raw, &text) == nil && raw[0] == '"':
				if got := r.c.Text(key, "?"); got != text {
					t.Fatalf("%q: %q reads %q, want %q", doc, key, got, text)
				}
				if out := sdk.AppendJSON(nil, text); utf8.ValidString(text) && json.Unmarshal(out, &number) != nil && mustText(t, out) != text {
					t.Fatalf("%q is written as %s", text, out)
				}
			case json.Unmarshal(raw, &number) == nil && raw[0] != '"':
				if n, err := strconv.ParseInt(number.String(), 10, 64); err == nil && r.c.Int(key, -7) != n {
					t.Fatalf("%q: %q reads %d, want %d", doc, key, r.c.Int(key, -7), n)
				}
			}
		}
	})
}

func mustText(t testing.TB, b []byte) (s string) {
	t.Helper()
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", `a"b\c`, "\x00\x1f\n\t\u007f\u2028", "é😀", "\ufffd"} {
		if got := mustText(t, sdk.AppendJSON(nil, s)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	if got := mustText(t, sdk.AppendJSON(nil, "a\xffb")); got != "a\ufffdb" {
		t.Errorf("invalid UTF-8 came back as %q", got)
	}
}
