package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// The headers that say how a request is to be run. They are headers and not members of the body because the class decides whether
// there is a place before the body is read.
const (
	headerClass      = "Engine-Class"
	headerDurability = "Engine-Durability"
	headerTimeout    = "Engine-Timeout"
	headerName       = "Engine-Name"
	headerIntegers   = "Engine-Integers"
	headerMaxRows    = "Engine-Max-Rows"
)

// terms are how a request is to be run.
type terms struct {
	class     engine.Class
	options   []engine.Option
	timeout   time.Duration
	bigAsText bool
	maxRows   int
}

// name is what a transaction may be called: it is shown in spans and errors.
var name = regexp.MustCompile(`^[A-Za-z0-9 ._:/-]{1,64}$`)

// terms reads the headers. A header of ours that is not known is refused: a misspelt one would be a wish that nobody hears.
func (s *Server) terms(h http.Header, route string) (terms, error) {
	t := terms{timeout: s.cfg.Limits.Time, bigAsText: s.cfg.Integers == config.IntegersAsStrings, maxRows: s.cfg.Limits.Rows}
	called := "POST " + route
	for key, values := range h {
		if !strings.HasPrefix(key, "Engine-") {
			continue
		}
		value := values[0]
		if len(values) > 1 {
			return t, badRequest("header %s is given twice", key)
		}
		switch key {
		case headerClass:
			class, ok := classes[value]
			if !ok {
				return t, badRequest("header %s: use trade, signal, normal, analytics or maintenance", key)
			}
			t.class = class
		case headerDurability:
			switch value {
			case "durable":
				t.options = append(t.options, engine.WithDurability(engine.Durable))
			case "relaxed":
				t.options = append(t.options, engine.WithDurability(engine.Relaxed))
			default:
				return t, badRequest("header %s: use durable or relaxed", key)
			}
		case headerTimeout:
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 || d > s.cfg.Limits.Time {
				return t, badRequest("header %s: use a duration such as 500ms, at most %v", key, s.cfg.Limits.Time)
			}
			t.timeout = d
		case headerName:
			if !name.MatchString(value) {
				return t, badRequest("header %s: use 1 to 64 letters, digits and . _ : / -", key)
			}
			called = value
		case headerIntegers:
			if value != config.IntegersAsStrings && value != config.IntegersAsNumbers {
				return t, badRequest("header %s: use string or number", key)
			}
			t.bigAsText = value == config.IntegersAsStrings
		case headerMaxRows:
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > s.cfg.Limits.Rows {
				return t, badRequest("header %s: use a number from 1 to %d", key, s.cfg.Limits.Rows)
			}
			t.maxRows = n
		default:
			return t, badRequest("there is no header %s", key)
		}
	}
	t.options = append(t.options, engine.WithClass(t.class), engine.WithName(called))
	return t, nil
}

// statement is a statement of a body.
type statement struct {
	SQL     string          `json:"sql"`
	Args    json.RawMessage `json:"args"`
	Rows    bool            `json:"rows"`
	Expect  *int64          `json:"expect"`
	AtLeast *int64          `json:"at_least"`
	AtMost  *int64          `json:"at_most"`
}

// single is what a body that is about one statement may hold when nothing is written.
type single struct {
	SQL  string          `json:"sql"`
	Args json.RawMessage `json:"args"`
}

// plain reports whether the statement asks for nothing but to be run.
func (st *statement) plain() bool {
	return !st.Rows && st.Expect == nil && st.AtLeast == nil && st.AtMost == nil
}

// record adds the statement to a batch.
func (st *statement) record(b *engine.Batch) error {
	args, err := arguments(st.Args)
	if err != nil {
		return err
	}
	if st.SQL == "" {
		return badRequest("sql: there is no statement")
	}
	add := b.Exec
	if st.Rows {
		add = b.Query
	}
	step := add(st.SQL, args...)
	if st.Expect != nil {
		step = step.Expect(*st.Expect)
	}
	if st.AtLeast != nil {
		step = step.AtLeast(*st.AtLeast)
	}
	if st.AtMost != nil {
		step.AtMost(*st.AtMost)
	}
	return nil
}

// decode reads the body into v, strictly. No message repeats a value.
func (s *Server) decode(w http.ResponseWriter, r *http.Request, v any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return &failure{status: http.StatusUnsupportedMediaType, kind: "request", message: "Content-Type must be application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.Limits.Body))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &failure{status: http.StatusRequestEntityTooLarge, kind: "too_big", message: "the body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes (server.limits.body)"}
	case err != nil:
		return &failure{status: http.StatusRequestTimeout, kind: "request", message: "the body did not arrive whole, or not in time"}
	case !utf8.Valid(body) || loneSurrogate(body):
		return badRequest("the body is not valid UTF-8, or has half of a surrogate pair: bind such text as text_base64")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(v); err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one document")
		}
	}
	return told(err, decoder.InputOffset())
}

// told says what is wrong with a body without quoting it.
func told(err error, at int64) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType):
		return badRequest("%s: must be %s", cmp.Or(wrongType.Field, "the body"), wanted(wrongType.Type))
	case errors.As(err, &syntax):
		return badRequest("the body is not JSON (byte %d)", syntax.Offset)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return badRequest("there is no member %s", strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
	return badRequest("the body is not one JSON document (byte %d)", at)
}

// wanted is a Go type in the words of JSON.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// loneSurrogate reports whether a \u escape is half of a pair, which encoding/json would silently replace by another letter.
func loneSurrogate(body []byte) bool {
	unit := func(i int) (u uint64, ok bool) {
		if i+6 > len(body) || body[i] != '\\' || body[i+1] != 'u' {
			return 0, false
		}
		u, err := strconv.ParseUint(string(body[i+2:i+6]), 16, 16)
		return u, err == nil
	}
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		first, ok := unit(i)
		switch {
		case !ok:
			i++ // the escaped character
		case first >= 0xDC00 && first < 0xE000:
			return true
		case first >= 0xD800 && first < 0xDC00:
			second, ok := unit(i + 6)
			if !ok || second < 0xDC00 || second >= 0xE000 {
				return true
			}
			i += 11
		default:
			i += 5
		}
	}
	return false
}

// wantsLines reads the Accept header: true for a line a row, false for one document.
func wantsLines(accept string) (bool, error) {
	if accept == "" {
		return false, nil
	}
	for _, piece := range strings.Split(accept, ",") {
		media, _, _ := strings.Cut(piece, ";")
		switch media = strings.ToLower(strings.TrimSpace(media)); {
		case media == "application/x-ndjson" || media == "application/ndjson":
			return true, nil
		case slices.Contains([]string{"application/json", "application/*", "*/*"}, media):
			return false, nil
		}
	}
	return false, &failure{status: http.StatusNotAcceptable, kind: "request", message: "Accept: use application/json or application/x-ndjson"}
}
