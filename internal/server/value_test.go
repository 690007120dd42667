package server_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// answer is a document of /v1/query.
type answer struct {
	Columns []string            `json:"columns"`
	Types   []string            `json:"types"`
	Rows    [][]json.RawMessage `json:"rows"`
	Count   *int                `json:"count"`
	Error   *problem            `json:"error"`
}

func (r response) answer(t testing.TB) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(r.body), &a); err != nil {
		t.Fatalf("status %d, %v in %.300s", r.status, err, r.body)
	}
	return a
}

// What goes in comes out, with its type: as typeof says it, and as JSON says it.
func TestValues(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, c := range []struct{ arg, typ, want string }{
		{`null`, "null", `null`},
		{`true`, "integer", `1`},
		{`false`, "integer", `0`},
		{`0`, "integer", `0`},
		{`-7`, "integer", `-7`},
		{`9007199254740991`, "integer", `9007199254740991`},
		{`9007199254740992`, "integer", `"9007199254740992"`},
		{`-9007199254740992`, "integer", `"-9007199254740992"`},
		{`9223372036854775807`, "integer", `"9223372036854775807"`},
		{`{"int":"-9223372036854775808"}`, "integer", `"-9223372036854775808"`},
		{`{"int":5}`, "integer", `5`},
		{`1.0`, "real", `1.0`},
		{`1e3`, "real", `1000.0`},
		{`-0.0`, "real", `-0.0`},
		{`0.1`, "real", `0.1`},
		{`1e300`, "real", `1e+300`},
		{`{"float":3}`, "real", `3.0`},
		{`{"float":"Infinity"}`, "real", `{"float":"Infinity"}`},
		{`{"float":"-Infinity"}`, "real", `{"float":"-Infinity"}`},
		{`""`, "text", `""`},
		{`"5"`, "text", `"5"`},
		{`{"text":"5"}`, "text", `"5"`},
		{`"a\"\\\n\t\u0000<&>é€\ud83d\ude00\u2028"`, "text", "\"a\\\"\\\\\\n\\u0009\\u0000<&>é€😀\u2028\""},
		{`{"text_base64":"/w=="}`, "text", `{"text_base64":"/w=="}`},
		{`{"text_base64":"YQ=="}`, "text", `"a"`},
		{`{"blob":""}`, "blob", `{"blob":""}`},
		{`{"blob":"AP8="}`, "blob", `{"blob":"AP8="}`},
	} {
		for _, args := range []string{"[" + c.arg + "]", `{"a":` + c.arg + `}`} {
			a := b.post(t, "/v1/query", `{"sql":"SELECT typeof(:a), :a AS a","args":`+args+`}`).answer(t)
			if a.Count == nil || *a.Count != 1 || len(a.Rows) != 1 {
				t.Errorf("%s: %+v", args, a)
				continue
			}
			if typ, got := string(a.Rows[0][0]), string(a.Rows[0][1]); typ != `"`+c.typ+`"` || got != c.want {
				t.Errorf("%s: %s %s, want %s %s", args, typ, got, c.typ, c.want)
			}
		}
	}
}

// An integer is never rounded, whoever asks for numbers.
func TestIntegersAsNumbers(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	got := b.post(t, "/v1/query", `{"sql":"SELECT 9223372036854775807"}`, "Engine-Integers", "number")
	if string(got.answer(t).Rows[0][0]) != "9223372036854775807" {
		t.Error(got.body)
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for args, says := range map[string]string{
		`[9223372036854775808]`:               "args[0]: the integer does not fit",
		`[1, {"int":"12345678901234567890"}]`: "args[1]: the integer does not fit",
		`[1e999]`:                             "args[0]: the number is too large",
		`[{"float":"NaN"}]`:                   "float wants",
		`[{"blob":"secret!"}]`:                "blob wants base64",
		`[{"blob":7}]`:                        "blob wants a string",
		`[{"date":"secret"}]`:                 "there is no such type",
		`[{}]`:                                "one member",
		`[{"int":1,"float":2}]`:               "one member",
		`[["secret"]]`:                        "a list cannot be bound",
		`"secret"`:                            "must be a list",
		`{"a":[1]}`:                           "args.a: a list",
		`7`:                                   "must be a list",
	} {
		got := b.post(t, "/v1/query", `{"sql":"SELECT ?1","args":`+args+`}`)
		if p := got.problem(t); got.status != 400 || p.Kind != "request" || !strings.Contains(p.Message, says) || strings.Contains(p.Message, "secret") {
			t.Errorf("%s: %d %+v, want %q", args, got.status, p, says)
		}
	}
}

// No body makes the server fail: whatever comes is answered by an error of the client's or by rows.
func FuzzQuery(f *testing.F) {
	f.Add(`{"sql":"SELECT ?, ?","args":[1,{"blob":"AA=="}]}`)
	f.Add(`{"sql":"SELECT :a","args":{"a":"\ud83d\ude00"}}`)
	f.Add(`{"sql":"SELECT \\\"\\u12\"","args":{"":[]}}`)
	b := start(f, nil)
	f.Fuzz(func(t *testing.T, body string) {
		got := b.post(t, "/v1/query", body, "Engine-Timeout", "1s")
		if !json.Valid([]byte(got.body)) || got.status == 500 {
			t.Errorf("%d %q", got.status, got.body)
		}
	})
}
