package bulk

import (
	"unicode/utf16"
	"unicode/utf8"
)

// object reads one line of JSON. The package encoding/json is no help: it replaces what is not Unicode by U+FFFD without a
// word, takes the last of two equal keys, and reads numbers as floats.
type object struct {
	in   []byte
	at   int
	text []byte // of strings with escapes in them; never shrinks within a line, so that cells may point into it
	deep int    // objects and lists that are open
	bad  string
}

// maxDepth bounds nesting, which is skipped.
const maxDepth = 1000

func (o *object) fail(why string) bool {
	if o.bad == "" {
		o.bad = why
	}
	return false
}

func (o *object) space() {
	for o.at < len(o.in) {
		switch o.in[o.at] {
		case ' ', '\t', '\r', '\n':
			o.at++
		default:
			return
		}
	}
}

// sign steps over a punctuation mark.
func (o *object) sign(c byte) bool {
	o.space()
	if o.at < len(o.in) && o.in[o.at] == c {
		o.at++
		return true
	}
	return false
}

// read calls each for the members of the object on the line, until it says why one will not do.
func (o *object) read(line []byte, each func(key []byte, value Cell) (why string)) bool {
	o.in, o.at, o.text, o.deep, o.bad = line, 0, o.text[:0], 0, ""
	if need := len(line); cap(o.text) < need {
		o.text = make([]byte, 0, need)
	}
	if !utf8.Valid(line) {
		return o.fail("it is not UTF-8")
	}
	if !o.sign('{') {
		return o.fail("it is no JSON object: a row is {\"column\": value, …} on one line")
	}
	if !o.members(each) {
		return false
	}
	if o.space(); o.at < len(o.in) {
		return o.fail("something follows the object: each row has a line of its own")
	}
	return true
}

// members reads on to the closing brace.
func (o *object) members(each func(key []byte, value Cell) (why string)) bool {
	if o.sign('}') {
		return true
	}
	for {
		o.space()
		key, ok := o.quoted()
		if !ok {
			return o.fail("a key is missing or is no text")
		}
		if !o.sign(':') {
			return o.fail("a colon is missing behind a key")
		}
		v, ok := o.value()
		if !ok {
			return false
		}
		if why := each(key, v); why != "" {
			return o.fail(why)
		}
		switch {
		case o.sign(','):
		case o.sign('}'):
			return true
		default:
			return o.fail("the object does not end")
		}
	}
}

func (o *object) value() (Cell, bool) {
	o.space()
	if o.at >= len(o.in) {
		return Cell{}, o.fail("a value is missing")
	}
	switch c := o.in[o.at]; {
	case c == '"':
		b, ok := o.quoted()
		return Cell{Kind: CellText, Bytes: b}, ok
	case c == '-' || isDigit(c):
		return o.number()
	case o.word("null"):
		return Cell{Kind: CellNull}, true
	case o.word("true"):
		return Cell{Kind: CellBool, Int: 1}, true
	case o.word("false"):
		return Cell{Kind: CellBool}, true
	case c == '{' || c == '[':
		return o.nested()
	}
	return Cell{}, o.fail("a value is no JSON")
}

func (o *object) word(w string) bool {
	if len(o.in)-o.at < len(w) || string(o.in[o.at:o.at+len(w)]) != w {
		return false
	}
	o.at += len(w)
	return true
}

// number takes a number as it is written.
func (o *object) number() (Cell, bool) {
	from := o.at
	for o.at < len(o.in) {
		c := o.in[o.at]
		if !isDigit(c) && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		o.at++
	}
	s := o.in[from:o.at]
	if s[0] == '.' || s[0] == '-' && (len(s) == 1 || s[1] == '.') || !jsonNumber(s) {
		return Cell{}, o.fail("a number is no JSON")
	}
	return Cell{Kind: CellNumber, Bytes: s}, true
}

// jsonNumber checks the grammar; the size of exponents is the column's business.
func jsonNumber(s []byte) bool {
	if s[0] == '-' {
		s = s[1:]
	}
	digits := func() (n int) {
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		return n
	}
	n := digits()
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	if s = s[n:]; len(s) > 0 && s[0] == '.' {
		s = s[1:]
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	return len(s) == 0
}

// quoted reads a string.
func (o *object) quoted() ([]byte, bool) {
	if o.at >= len(o.in) || o.in[o.at] != '"' {
		return nil, o.fail("a text is missing")
	}
	o.at++
	from := o.at
	for o.at < len(o.in) {
		switch c := o.in[o.at]; {
		case c == '"':
			o.at++
			return o.in[from : o.at-1], true
		case c == '\\':
			return o.escaped(from)
		case c < ' ':
			return nil, o.fail("a control character in a text must be written as an escape")
		}
		o.at++
	}
	return nil, o.fail("a text does not end")
}

// escaped reads on from the first backslash.
func (o *object) escaped(from int) ([]byte, bool) {
	start := len(o.text)
	o.text = append(o.text, o.in[from:o.at]...)
	for o.at < len(o.in) {
		c := o.in[o.at]
		o.at++
		switch {
		case c == '"':
			return o.text[start:len(o.text):len(o.text)], true
		case c < ' ':
			return nil, o.fail("a control character in a text must be written as an escape")
		case c != '\\':
			o.text = append(o.text, c)
			continue
		}
		if o.at >= len(o.in) {
			break
		}
		c = o.in[o.at]
		o.at++
		switch c {
		case '"', '\\', '/':
			o.text = append(o.text, c)
		case 'b':
			o.text = append(o.text, '\b')
		case 'f':
			o.text = append(o.text, '\f')
		case 'n':
			o.text = append(o.text, '\n')
		case 'r':
			o.text = append(o.text, '\r')
		case 't':
			o.text = append(o.text, '\t')
		case 'u':
			if !o.unicode() {
				return nil, false
			}
		default:
			return nil, o.fail("a text holds an escape that JSON does not know")
		}
	}
	return nil, o.fail("a text does not end")
}

// unicode reads the digits of \u, and those of the second half of a pair.
func (o *object) unicode() bool {
	r, ok := o.hex()
	if !ok {
		return o.fail("\\u wants four hexadecimal digits")
	}
	if utf16.IsSurrogate(r) {
		var low rune
		if !o.word(`\u`) {
			return o.fail("half a pair of \\u escapes stands alone, which is no character")
		}
		if low, ok = o.hex(); !ok {
			return o.fail("\\u wants four hexadecimal digits")
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return o.fail("half a pair of \\u escapes stands alone, which is no character")
		}
	}
	o.text = utf8.AppendRune(o.text, r)
	return true
}

func (o *object) hex() (r rune, ok bool) {
	if len(o.in)-o.at < 4 {
		return 0, false
	}
	for _, c := range o.in[o.at : o.at+4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	o.at += 4
	return r, true
}

// nested steps over an object or a list, which must be JSON all the same. {"base64": "…"} is a blob.
func (o *object) nested() (Cell, bool) {
	if o.deep++; o.deep > maxDepth {
		return Cell{}, o.fail("objects are nested too deep")
	}
	defer func() { o.deep-- }()
	cell := Cell{Kind: CellNested}
	if !o.sign('{') {
		o.at++ // the opening bracket
		return cell, o.list()
	}
	members := 0
	ok := o.members(func(key []byte, v Cell) string {
		if members++; members == 1 && string(key) == blobKey && v.Kind == CellText {
			if blob, why := toBlob(&v); why == "" {
				cell = Cell{Kind: CellBlob, Bytes: blob.([]byte)}
			}
		}
		return ""
	})
	if members != 1 {
		cell = Cell{Kind: CellNested}
	}
	return cell, ok
}

// blobKey marks a blob where the column does not say that it is one.
const blobKey = "base64"

// list reads on to the closing bracket.
func (o *object) list() bool {
	if o.sign(']') {
		return true
	}
	for {
		if _, ok := o.value(); !ok {
			return false
		}
		switch {
		case o.sign(','):
		case o.sign(']'):
			return true
		default:
			return o.fail("a list does not end")
		}
	}
}
