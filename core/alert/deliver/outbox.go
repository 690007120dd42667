package deliver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidegate/engine/sdk"
)

// outbox is the only place that opens connections to endpoints.
type outbox struct{ to map[string]*destination }

// destination is an endpoint that is ready.
type destination struct {
	e      Endpoint
	url    string
	host   string // as it may be shown
	key    []byte
	client *http.Client
}

func newOutbox(endpoints []Endpoint) (*outbox, error) {
	o := &outbox{to: map[string]*destination{}}
	for _, e := range endpoints {
		bad := e.Mistakes()
		if o.to[e.Name] != nil {
			bad = append(bad, "there is another one of this name")
		}
		if len(bad) > 0 {
			return nil, fmt.Errorf("endpoint %q: %s", e.Name, strings.Join(bad, "; "))
		}
		u, err := e.parse()
		if err != nil {
			return nil, err
		}
		d := &destination{e: e, url: u.String(), host: u.Scheme + "://" + u.Host}
		if d.key, err = e.key(); err != nil {
			return nil, err
		}
		dialer := &net.Dialer{Timeout: 10 * time.Second}
		if u.Scheme == "http" && !e.Insecure {
			dialer.Control = func(_, address string, _ syscall.RawConn) error {
				if !isLoopback(address) { // whatever localhost means to the resolver
					return errors.New("http leads to another machine")
				}
				return nil
			}
		}
		d.client = &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
				MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		o.to[e.Name] = d
	}
	return o, nil
}

func (o *outbox) close() {
	for _, d := range o.to {
		d.client.CloseIdleConnections()
	}
}

// result is what became of an attempt.
type result struct {
	fate   fate
	after  time.Duration // of again: not before
	reason string        // for people; of arrived: what was answered
	pause  bool          // after holds for whatever goes to the sink
}

// hold is for how long the sink wants nothing at all.
func (r *result) hold() time.Duration {
	if r.pause {
		return r.after
	}
	return 0
}

type fate uint8

const (
	arrived fate = iota
	again        // it may work later
	never        // this letter will not
)

// post sends a message, once.
func (d *destination) post(ctx context.Context, p *sdk.Post, key string, now time.Time) result {
	if d.e.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.e.Timeout)
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(p.Body))
	if err != nil {
		return result{fate: again, reason: "its address cannot be used"} // the error would show it
	}
	d.fill(r.Header, p, key, now)
	answer, err := d.client.Do(r)
	if err != nil {
		return result{fate: again, reason: d.host + ": " + plain(err)}
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again; what it says may repeat a secret
	said := d.host + " answered " + strconv.Itoa(answer.StatusCode)
	if text := http.StatusText(answer.StatusCode); text != "" {
		said += " " + text
	}
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return result{reason: said}
	case code >= 300 && code < 400:
		return result{fate: again, reason: said + ": redirects are not followed, so that alerts go nowhere else: name the address that it leads to"}
	case code >= 400 && code < 500 && !mendable(code):
		return result{fate: never, reason: said + ": it does not take this message"}
	}
	return result{again, retryAfter(answer.Header.Get("Retry-After"), now), said, true}
}

// mendable are the answers that are about the sender, his credentials or the moment, not about the message.
func mendable(code int) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestTimeout,
		http.StatusGone, http.StatusMisdirectedRequest, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return false
}

// fill sets the headers: the sink's, over them the endpoint's, over all the key and the signature.
func (d *destination) fill(h http.Header, p *sdk.Post, key string, now time.Time) {
	h.Set("User-Agent", "tidegate")
	for _, pair := range p.Headers {
		if !reserved(pair[0]) {
			h.Set(pair[0], pair[1])
		}
	}
	for name, value := range d.e.Headers {
		h.Set(name, string(value))
	}
	h.Set("Idempotency-Key", key)
	if d.key == nil {
		return
	}
	if h.Get("Webhook-Id") == "" {
		h.Set("Webhook-Id", key)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(h.Get("Webhook-Id") + "." + stamp + "."))
	mac.Write(p.Body)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// longestPause bounds what a sink may ask for.
const longestPause = time.Hour

// retryAfter reads the header, in seconds or as a date; 0 for none.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, longestPause)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), longestPause)
	}
	return 0
}

// plain is the reason of a failure without the address, whose path may be a secret.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "it did not answer in time"
		}
		err = u.Err
	}
	return err.Error()
}
