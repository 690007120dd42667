package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/sdk"
)

// Sink is the sink; New makes one.
type Sink struct {
	endpoint string
	secret   []byte
	fields   [][2]string
	body     []byte
}

// retryAfter is when an alert is tried again that the outbox has refused.
const retryAfter = time.Minute

// longest is how much of a title and of a body is sent: with every byte escaped they still fit into a message.
const longest = 4 << 10

// New returns a sink to be configured.
func New() any { return &Sink{} }

// Configure implements sdk.Configurer.
func (s *Sink) Configure(c *sdk.Config) error {
	if s.endpoint = c.Text("endpoint", ""); s.endpoint == "" {
		c.Fail("endpoint", "name the endpoint of the outbox")
	}
	secret := c.Text("secret", "")
	s.secret = []byte(secret)
	if coded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		raw, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			c.Fail("secret", "what follows whsec_ is not base64")
		}
		s.secret = raw
	}
	if c.Has("secret") && len(s.secret) < 24 {
		c.Fail("secret", "is shorter than 24 bytes")
	}
	fields := c.Section("fields")
	for _, k := range fields.Keys() {
		if slices.Contains(own(), k) {
			fields.Fail(k, "is one that the sink sets: a reader of JSON would take one of the two")
		}
		s.fields = append(s.fields, [2]string{k, fields.Text(k, "")})
	}
	return nil
}

// own are the keys of data that the sink sets itself.
func own() []string {
	return []string{"alert_id", "rule", "severity", "title", "body", "since", "value", "limit", "unit", "labels", "diagnosis"}
}

// Notify implements sdk.Sink.
func (s *Sink) Notify(b *sdk.Batch, d *sdk.Deliveries) error {
	for row := range b.Len() {
		a := b.Alert(row)
		err := b.Post(s.endpoint, s.message(a, b.Now()))
		switch {
		case errors.Is(err, sdk.ErrRefused):
			d.Retry(row, retryAfter, "the outbox does not take it: is the endpoint granted, and is there room?")
		case err != nil:
			d.Drop(row, "no message can be made of the alert")
		}
	}
	return nil
}

// message is the post of an alert. Its id is the same whenever it is tried, so that a receiver can tell a repetition.
func (s *Sink) message(a sdk.Alert, now int64) sdk.Post {
	state := "resolved"
	if a.Firing {
		state = "firing"
	}
	id := "alert-" + strconv.FormatInt(a.ID, 10) + "-" + state + "-" + strconv.FormatInt(a.At.UnixNano(), 10)
	s.body = s.encode(s.body[:0], a, state, id)
	p := sdk.Post{Body: s.body, Headers: [][2]string{{"content-type", "application/json"}, {"webhook-id", id}}}
	if len(s.secret) > 0 {
		stamp := strconv.FormatInt(now/1e9, 10)
		mac := hmac.New(sha256.New, s.secret)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(s.body)
		p.Headers = append(p.Headers, [2]string{"webhook-timestamp", stamp}, [2]string{"webhook-signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))})
	}
	return p
}

// encode writes the body. Numbers of 64 bits are texts, since readers of JSON make floats of them.
func (s *Sink) encode(b []byte, a sdk.Alert, state, id string) []byte {
	text := func(key, v string) {
		b = append(sdk.AppendJSON(b, key), ':')
		b = append(sdk.AppendJSON(b, v), ',')
	}
	b = append(b, '{')
	text("type", "alert."+state)
	text("id", id)
	text("timestamp", a.At.Format(time.RFC3339Nano))
	b = append(b, `"data":{`...)
	for _, f := range s.fields {
		text(f[0], f[1])
	}
	text("alert_id", strconv.FormatInt(a.ID, 10))
	text("rule", cut(a.Rule))
	text("severity", sdk.SeverityName(a.Severity))
	text("title", cut(a.Title))
	text("body", cut(a.Body))
	text("since", a.Since.Format(time.RFC3339Nano))
	b = append(number(append(b, `"value":`...), a.Value, a.Known), ',')
	b = append(number(append(b, `"limit":`...), a.Limit, a.Known), ',')
	text("unit", cut(a.Unit))
	b = append(b, `"labels":{`...)
	from := len(b)
	for key, v := range a.Labels.All() {
		text(cut(key), cut(v))
	}
	if len(b) > from {
		b = b[:len(b)-1] // the last comma
	}
	b = append(b, `},"diagnosis":`...)
	if a.Diagnosis.JSON == "" || len(a.Diagnosis.JSON) > mostDiagnosis {
		return append(b, "null}}"...)
	}
	return append(append(b, a.Diagnosis.JSON...), "}}"...)
}

// mostDiagnosis is the largest diagnosis that is passed on; a host gives no larger ones.
const mostDiagnosis = 16 << 10

func number(b []byte, v float64, known bool) []byte {
	if !known || math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func cut(s string) string {
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
