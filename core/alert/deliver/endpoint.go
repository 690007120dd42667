package deliver

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Secret is a text that is not shown. Its zero value is empty.
type Secret string

// String hides it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides it.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Endpoint is where messages go.
type Endpoint struct {
	// Name is what sinks call it.
	Name string
	// URL begins with https, or with http where the host is this machine itself or Insecure allows it. Its path may be a secret, so it is never shown.
	URL Secret
	// Headers go with each message, and outweigh those of the sink.
	Headers map[string]Secret
	// Key signs messages as the Standard Webhooks specification says, raw or as base64 behind whsec_; at least 24 bytes. Empty: they are not signed, or by the
	// sink itself.
	Key Secret
	// Insecure allows http to other machines.
	Insecure bool
	// Timeout is how long one message may take; 0 leaves it to the attempt.
	Timeout time.Duration
}

// Mistakes lists what is wrong with an endpoint, without its secrets.
func (e *Endpoint) Mistakes() (bad []string) {
	if e.Name == "" {
		bad = append(bad, "needs a name")
	}
	if _, err := e.parse(); err != nil {
		bad = append(bad, err.Error())
	}
	if _, err := e.key(); err != nil {
		bad = append(bad, err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if !token(name) || reserved(name) {
			bad = append(bad, fmt.Sprintf("%q is no header that can be set", name))
		}
		if strings.ContainsFunc(string(e.Headers[name]), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
			bad = append(bad, fmt.Sprintf("the value of the header %s holds control characters, such as a line break at its end", name))
		}
	}
	if e.Timeout < 0 {
		bad = append(bad, "its timeout is negative")
	}
	return bad
}

// parse reads the address.
func (e *Endpoint) parse() (*url.URL, error) {
	u, err := url.Parse(string(e.URL))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("its url is none: write it as https://host/path")
	case u.User != nil:
		return nil, errors.New("its url holds a user's name or password: put them into a header, from the environment")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme != "http":
		return nil, errors.New("its url must begin with https://, or with http:// on this machine")
	case !e.Insecure && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http to %s can be read and changed on its way: use https, or say that it may be insecure", u.Hostname())
	}
	return u, nil
}

// key is the key in bytes; nil for none.
func (e *Endpoint) key() ([]byte, error) {
	if e.Key == "" {
		return nil, nil
	}
	raw := []byte(e.Key)
	if coded, ok := strings.CutPrefix(string(e.Key), "whsec_"); ok {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(coded); err != nil {
			return nil, errors.New("what follows whsec_ in its key is not base64")
		}
	}
	if len(raw) < 24 {
		return nil, errors.New("its key is shorter than 24 bytes")
	}
	return raw, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// isLoopback is for addresses as a dialer has them.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback(host)
}

func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// reserved are the headers that belong to the connection.
func reserved(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", "proxy-authorization", "idempotency-key":
		return true
	}
	return false
}
