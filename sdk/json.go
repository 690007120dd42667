package sdk

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is the kind of a JSON value.
type kind uint8

const (
	isNull kind = iota
	isFalse
	isTrue
	isNumber
	isText
	isList
	isObject
)

// String names the kind for messages.
func (k kind) String() string {
	switch k {
	case isFalse, isTrue:
		return "true or false"
	case isNumber:
		return "a number"
	case isText:
		return "a text"
	case isList:
		return "a list"
	case isObject:
		return "an object"
	}
	return "null"
}

// node is a JSON value. Numbers keep their text, so that an int64 loses nothing.
type node struct {
	kind kind
	text string // of a text or a number
	keys []string
	list []node // elements, or the values of keys
}

func (n *node) get(key string) *node {
	for i := len(n.keys) - 1; i >= 0; i-- { // of a key that is there twice the last one counts, as with encoding/json
		if n.keys[i] == key {
			return &n.list[i]
		}
	}
	return nil
}

// maxDepth bounds the nesting, so that no document exhausts the stack.
const maxDepth = 100

// reader reads one JSON document. encoding/json would make a module half as large again and start up slower.
type reader struct {
	s   string
	at  int
	bad bool
}

// parse reads a document; ok is false where it is not JSON, and at says where.
func parse(s string) (n node, at int, ok bool) {
	r := reader{s: s}
	n = r.value(0)
	r.space()
	return n, r.at, !r.bad && r.at == len(s)
}

func (r *reader) fail() node {
	r.bad = true
	return node{}
}

func (r *reader) space() {
	for r.at < len(r.s) {
		switch r.s[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) peek() byte {
	if r.at < len(r.s) {
		return r.s[r.at]
	}
	return 0
}

// take skips c and reports whether it was there.
func (r *reader) take(c byte) bool {
	if r.at < len(r.s) && r.s[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) word(w string, k kind) node {
	if len(r.s)-r.at < len(w) || r.s[r.at:r.at+len(w)] != w {
		return r.fail()
	}
	r.at += len(w)
	return node{kind: k}
}

func (r *reader) value(depth int) node {
	r.space()
	if depth > maxDepth || r.bad {
		return r.fail()
	}
	switch c := r.peek(); {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		return node{kind: isText, text: r.str()}
	case c == 'n':
		return r.word("null", isNull)
	case c == 't':
		return r.word("true", isTrue)
	case c == 'f':
		return r.word("false", isFalse)
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	return r.fail()
}

func (r *reader) object(depth int) node {
	n := node{kind: isObject}
	r.at++
	r.space()
	if r.take('}') {
		return n
	}
	for !r.bad {
		r.space()
		if r.peek() != '"' {
			return r.fail()
		}
		n.keys = append(n.keys, r.str())
		r.space()
		if !r.take(':') {
			return r.fail()
		}
		n.list = append(n.list, r.value(depth+1))
		r.space()
		if r.take('}') {
			return n
		}
		if !r.take(',') {
			return r.fail()
		}
	}
	return n
}

func (r *reader) array(depth int) node {
	n := node{kind: isList}
	r.at++
	r.space()
	if r.take(']') {
		return n
	}
	for !r.bad {
		n.list = append(n.list, r.value(depth+1))
		r.space()
		if r.take(']') {
			return n
		}
		if !r.take(',') {
			return r.fail()
		}
	}
	return n
}

// digits skips digits and reports whether there was one.
func (r *reader) digits() bool {
	from := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > from
}

func (r *reader) number() node {
	from := r.at
	r.take('-')
	if !r.take('0') && !r.digits() {
		return r.fail()
	}
	if r.take('.') && !r.digits() {
		return r.fail()
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return r.fail()
		}
	}
	return node{kind: isNumber, text: r.s[from:r.at]}
}

// str reads a text with its quotes.
func (r *reader) str() string {
	r.at++
	from := r.at
	for r.at < len(r.s) { // most have no escapes and need no copy
		switch c := r.s[r.at]; {
		case c == '"':
			r.at++
			return r.valid(r.s[from : r.at-1])
		case c == '\\':
			return r.escaped(from)
		case c < ' ':
			r.fail()
			return ""
		}
		r.at++
	}
	r.fail()
	return ""
}

// valid replaces what is no UTF-8, as encoding/json does.
func (r *reader) valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func (r *reader) escaped(from int) string {
	out := append(make([]byte, 0, 64), r.s[from:r.at]...)
	for r.at < len(r.s) {
		c := r.s[r.at]
		r.at++
		switch {
		case c == '"':
			return r.valid(string(out))
		case c < ' ':
			r.fail()
			return ""
		case c != '\\':
			out = append(out, c)
			continue
		}
		e := r.peek()
		r.at++
		switch e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			out = utf8.AppendRune(out, r.escape())
		default:
			r.fail()
			return ""
		}
	}
	r.fail()
	return ""
}

// escape reads the digits of \u, and those of a second one where the first is half of a pair.
func (r *reader) escape() rune {
	first := r.hex()
	if !utf16.IsSurrogate(first) {
		return first
	}
	if r.at+1 < len(r.s) && r.s[r.at] == '\\' && r.s[r.at+1] == 'u' {
		back := r.at
		r.at += 2
		if pair := utf16.DecodeRune(first, r.hex()); pair != utf8.RuneError {
			return pair
		}
		r.at = back
	}
	return utf8.RuneError
}

func (r *reader) hex() rune {
	if len(r.s)-r.at < 4 {
		r.fail()
		return 0
	}
	v, err := strconv.ParseUint(r.s[r.at:r.at+4], 16, 32)
	if err != nil {
		r.fail()
		return 0
	}
	r.at += 4
	return rune(v)
}

// AppendJSON appends s as a text of JSON, with its quotes. What is no UTF-8 is replaced.
func AppendJSON(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s { // an invalid byte comes as U+FFFD
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ' || c == 0x7F || c == 0x2028 || c == 0x2029:
			dst = append(dst, '\\', 'u', digits[c>>12&15], digits[c>>8&15], digits[c>>4&15], digits[c&15])
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}

// AppendInt appends an integer in decimal digits.
func AppendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }
