package alertmanager

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine/sdk"
)

// Sink is the sink; New makes one.
type Sink struct {
	endpoint  string
	labels    [][2]string
	generator string
	body, one []byte
	rows      []int // of the message in the making
}

// Bounds of what is sent. A message has to leave room for its headers.
const (
	retryAfter = time.Minute
	longest    = 4 << 10 // of a title and of a body
	fullest    = sdk.MaxPost - 1024
)

// New returns a sink to be configured.
func New() any { return &Sink{} }

// Configure implements sdk.Configurer.
func (s *Sink) Configure(c *sdk.Config) error {
	if s.endpoint = c.Text("endpoint", ""); s.endpoint == "" {
		c.Fail("endpoint", "name the endpoint of the outbox, whose address ends in /api/v2/alerts")
	}
	s.generator = c.Text("generator_url", "")
	labels := c.Section("labels")
	for _, k := range labels.Keys() {
		if !labelName(k) || k == "alertname" || k == "severity" {
			labels.Fail(k, "is no name of a label, or one that the sink sets")
		}
		s.labels = append(s.labels, [2]string{k, labels.Text(k, "")})
	}
	return nil
}

func labelName(s string) bool {
	for i, c := range s {
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// Notify implements sdk.Sink. Alerts go together in as few messages as they fit into.
func (s *Sink) Notify(b *sdk.Batch, d *sdk.Deliveries) error {
	s.body, s.rows = s.body[:0], s.rows[:0]
	for row := range b.Len() {
		s.one = s.encode(s.one[:0], b.Alert(row))
		if len(s.body)+len(s.one)+2 > fullest {
			s.send(b, d)
		}
		s.body = append(append(s.body, ','), s.one...)
		s.rows = append(s.rows, row)
	}
	s.send(b, d)
	return nil
}

func (s *Sink) send(b *sdk.Batch, d *sdk.Deliveries) {
	if len(s.rows) == 0 {
		return
	}
	s.body[0] = '['
	s.body = append(s.body, ']')
	err := b.Post(s.endpoint, sdk.Post{Headers: [][2]string{{"content-type", "application/json"}}, Body: s.body})
	for _, row := range s.rows {
		switch {
		case errors.Is(err, sdk.ErrRefused):
			d.Retry(row, retryAfter, "the outbox does not take it: is the endpoint granted, and is there room?")
		case err != nil:
			d.Drop(row, "no message can be made of the alert")
		}
	}
	s.body, s.rows = s.body[:0], s.rows[:0]
}

// encode writes one alert. Its labels are what the Alertmanager knows it by, so they are the same when it is over.
func (s *Sink) encode(b []byte, a sdk.Alert) []byte {
	pair := func(key, v string) {
		b = append(sdk.AppendJSON(b, key), ':')
		b = append(sdk.AppendJSON(b, v), ',')
	}
	end := func(with string) { b = append(b[:len(b)-1], with...) } // in the place of the last comma
	b = append(b, `{"labels":{`...)
	rule := cut(a.Rule)
	if rule == "" {
		rule = "unnamed" // a label without a value is none, and an alert needs one
	}
	pair("alertname", rule)
	pair("severity", sdk.SeverityName(a.Severity))
	for _, l := range s.labels {
		pair(l[0], l[1])
	}
	for key, v := range a.Labels.All() {
		if key = s.label(key); key != "" && v != "" {
			pair(key, cut(v))
		}
	}
	end(`},"annotations":{`)
	pair("summary", cut(a.Title))
	pair("description", cut(a.Body))
	if a.Diagnosis.Cause != "" {
		pair("cause", cut(a.Diagnosis.Cause))
		pair("diagnosis", cut(a.Diagnosis.Explanation))
	}
	if a.Known && !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
		pair("value", strconv.FormatFloat(a.Value, 'g', -1, 64))
	}
	end(`},`)
	if s.generator != "" {
		pair("generatorURL", s.generator)
	}
	pair("startsAt", a.Since.Format(time.RFC3339Nano)) // the same whenever it is told
	if !a.Firing {
		pair("endsAt", a.At.Format(time.RFC3339Nano))
	}
	end("}")
	return b
}

// label makes the name of a label: dots and whatever else has no place in one become underscores. "" for one that the sink or its configuration sets.
func (s *Sink) label(key string) string {
	name := strings.Map(func(c rune) rune {
		if c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, key)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	if name == "alertname" || name == "severity" {
		return ""
	}
	for _, l := range s.labels {
		if l[0] == name {
			return ""
		}
	}
	return name
}

func cut(s string) string {
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
