package sdk

import (
	"bytes"
	"errors"
	"strings"
)

// Post is a message for an endpoint of the outbox. Package sdk writes it as the bytes of outbox_put: a line "name: value" for each header, an empty line,
// the body; lines end with a line feed. Only the host opens connections; a header is a wish that the endpoint's own settings may overrule.
type Post struct {
	// Headers are pairs of a name, in small letters, and a value without line breaks.
	Headers [][2]string
	// Body is sent as it is.
	Body []byte
}

// MaxPost is the largest message, headers included.
const MaxPost = 64 << 10

// Append appends the encoded message to dst.
//
// # Errors
//
// ErrInvalid for a header that is none, and for more than MaxPost bytes; dst comes back as it was.
func (p *Post) Append(dst []byte) ([]byte, error) {
	from := len(dst)
	for _, h := range p.Headers {
		if !headerName(h[0]) || strings.ContainsFunc(h[1], func(r rune) bool { return r < ' ' || r == 0x7F }) || strings.TrimSpace(h[1]) != h[1] {
			return dst[:from], ErrInvalid
		}
		dst = append(append(append(append(dst, h[0]...), ": "...), h[1]...), '\n')
	}
	dst = append(append(dst, '\n'), p.Body...)
	if len(dst)-from > MaxPost {
		return dst[:from], ErrInvalid
	}
	return dst, nil
}

func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') })
}

var errPost = errors.New("not a message of the outbox")

// ParsePost reads what Append wrote; the body points into raw. It is for hosts.
//
// # Errors
//
// One that says that raw is no message.
func ParsePost(raw []byte) (Post, error) {
	var p Post
	if len(raw) > MaxPost {
		return p, errPost
	}
	for {
		line, rest, ok := bytes.Cut(raw, []byte("\n"))
		if !ok {
			return Post{}, errPost
		}
		raw = rest
		if len(line) == 0 {
			p.Body = raw
			break
		}
		name, value, ok := strings.Cut(string(line), ": ")
		if !ok {
			return Post{}, errPost
		}
		p.Headers = append(p.Headers, [2]string{name, value})
	}
	if _, err := p.Append(nil); err != nil { // names and values are those that Append takes
		return Post{}, errPost
	}
	return p, nil
}

// Post hands a message to the outbox of the engine, which delivers it after the commit to the endpoint that an operator has set up under this name. A module needs the
// endpoint in the capability outbox.
//
// # Errors
//
// ErrRefused for an endpoint that is not granted or a quota, ErrInvalid for a message that is none.
func (b *Batch) Post(endpoint string, p Post) error {
	raw, err := p.Append(b.in.request[:0])
	if err != nil {
		return err
	}
	b.in.request = raw
	return b.post(endpoint, raw)
}
