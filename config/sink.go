package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/builtin"
	"github.com/tidegate/engine/policies/alertmanager"
	"github.com/tidegate/engine/policies/logsink"
	"github.com/tidegate/engine/policies/webhook"
)

// Alerts says who is told of alerts.
type Alerts struct {
	// Sinks are who is told; none: the log.
	Sinks []AlertSink
	// Endpoints are where sinks post to.
	Endpoints []AlertEndpoint
}

// AlertSink is somebody who is told.
type AlertSink struct {
	// Name is how it is called; each has one of its own.
	Name string `json:"name"`
	// Kind is log, webhook, alertmanager, or plugin for one of plugins.dir.
	Kind string `json:"kind"`
	// Plugin is the plug-in's name; "" is the name of the sink.
	Plugin string `json:"plugin,omitempty"`
	// Endpoint is where a webhook or an Alertmanager is.
	Endpoint string `json:"endpoint,omitempty"`
	// Least is what is told: info (the default), warning or critical.
	Least string `json:"least,omitempty"`
	// Repeat is after how long it is told again of what goes on; 0 is never. An Alertmanager that says nothing of it has a minute.
	Repeat Period `json:"repeat,omitempty"`
	// Heartbeat is how often it gets a sign of life; 0 is never.
	Heartbeat Period `json:"heartbeat,omitempty"`
	// Settings are those of the policy of that kind, but for its endpoint; of a plug-in they are in its manifest.
	Settings map[string]any `json:"settings,omitempty"`
}

// AlertEndpoint is where messages go. What is secret comes from the environment.
type AlertEndpoint struct {
	// Name is what sinks call it.
	Name string `json:"name"`
	// URL is its address, or URLFrom the variable that holds it, where its path is a secret.
	URL     string `json:"url,omitempty"`
	URLFrom string `json:"url_from,omitempty"`
	// Headers go with each message; HeadersFrom are those whose values are in variables.
	Headers     map[string]string `json:"headers,omitempty"`
	HeadersFrom map[string]string `json:"headers_from,omitempty"`
	// KeyFrom is the variable with the key that signs messages; "": they are not signed.
	KeyFrom string `json:"key_from,omitempty"`
	// Insecure allows http to other machines.
	Insecure bool `json:"insecure,omitempty"`
	// Timeout bounds a message; 0 leaves it to the attempt.
	Timeout Period `json:"timeout,omitempty"`
}

// Period is a time.Duration that JSON has as 1m30s.
type Period time.Duration

// MarshalText implements encoding.TextMarshaler.
func (p Period) MarshalText() ([]byte, error) { return []byte(formatDuration(time.Duration(p))), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Period) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if d, ok := v.(time.Duration); ok {
		*p = Period(d)
	}
	return err
}

func sinkSettings() []setting {
	d := func(f func(*engine.AlertDelivery) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Alerts.Deliver) }
	}
	return []setting{
		{key: "alerts.sinks", field: func(s *Settings) any { return &s.Alerts.Sinks },
			doc: `Who is told of alerts; none: the log. Each has a name and a kind (log, webhook, alertmanager, plugin), and perhaps an endpoint, a plugin, least (info, warning, critical), repeat, heartbeat and settings. Outside of the file they are JSON: [{"name":"ops","kind":"webhook","endpoint":"ops"}].`},
		{key: "alerts.endpoints", field: func(s *Settings) any { return &s.Alerts.Endpoints },
			doc: `Where sinks post to. Each has a name and a url or url_from, and perhaps headers, headers_from, key_from, insecure and timeout; what ends in _from is the name of an environment variable. Outside of the file they are JSON: [{"name":"ops","url":"https://ops.example/hook"}].`},
		{key: "alerts.deliver.timeout", field: d(func(c *engine.AlertDelivery) any { return &c.Timeout }),
			doc: "How long one attempt to tell a sink may take."},
		{key: "alerts.deliver.first_delay", field: d(func(c *engine.AlertDelivery) any { return &c.FirstDelay }),
			doc: "The most that the second attempt waits; the ceiling doubles with each further one, and the delay is drawn evenly below it."},
		{key: "alerts.deliver.longest_delay", field: d(func(c *engine.AlertDelivery) any { return &c.LongestDelay }),
			doc: "Where that ceiling ends."},
		{key: "alerts.deliver.age", field: d(func(c *engine.AlertDelivery) any { return &c.Age }),
			doc: "For how long an alert is tried, before it is a dead letter."},
		{key: "alerts.deliver.attempts", field: d(func(c *engine.AlertDelivery) any { return &c.Attempts }),
			doc: "How often it is tried at most; 0 is as often as the age allows."},
		{key: "alerts.deliver.queue", field: d(func(c *engine.AlertDelivery) any { return &c.Queue }),
			doc: "How many alerts may wait for a sink; over it the oldest become dead letters."},
	}
}

// parseObjects reads a JSON array of T; "" is none.
func parseObjects[T any](text, example string) ([]T, error) {
	if text == "" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	var out []T
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf(`must be a list (outside of the file in JSON), as in: %s: %w`, example, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one JSON array")
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func parseSinks(text string) (any, error) {
	return parseObjects[AlertSink](text, `[{"name": "ops", "kind": "webhook", "endpoint": "ops"}]`)
}

func parseEndpoints(text string) (any, error) {
	return parseObjects[AlertEndpoint](text, `[{"name": "ops", "url": "https://ops.example/hook"}]`)
}

// objectText writes the JSON form.
func objectText[T any](list []T) string {
	if len(list) == 0 {
		return ""
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(list) // texts, durations and what JSON or YAML gave always encode
	return string(bytes.TrimSpace(b.Bytes()))
}

// objects takes the list of a file.
func (r *reader) objects(st setting, line int, value *yaml.Node) {
	var list any
	if err := value.Decode(&list); err != nil {
		r.wrong(st.key, line, "cannot be read: a key is there twice, or is no text")
		return
	}
	text, err := json.Marshal(list)
	if err != nil {
		r.wrong(st.key, line, "holds a key that is no text")
		return
	}
	r.add(st, string(text), r.at(line))
}

// mistakes lists what is wrong, as far as it can be seen without the environment.
func (a *Alerts) mistakes(measured bool) (bad []string) {
	wrong := func(key, name, format string, args ...any) {
		bad = append(bad, fmt.Sprintf("alerts.%s: %q: ", key, short(name))+fmt.Sprintf(format, args...))
	}
	if len(a.Sinks) > 0 && !measured {
		bad = append(bad, "alerts.sinks: there are no alerts where nothing is measured: set telemetry.measure")
	}
	endpoints := map[string]bool{}
	for i := range a.Endpoints {
		e := &a.Endpoints[i]
		if endpoints[e.Name] {
			wrong("endpoints", e.Name, "there is another one of this name")
		}
		endpoints[e.Name] = true
		if (e.URL == "") == (e.URLFrom == "") {
			wrong("endpoints", e.Name, "needs either url or url_from")
			continue
		}
		for _, m := range e.shape() {
			wrong("endpoints", e.Name, "%s", m)
		}
	}
	seen := map[string]bool{}
	for i := range a.Sinks {
		s := &a.Sinks[i]
		if seen[s.Name] || s.Name == "" {
			wrong("sinks", s.Name, "needs a name of its own")
		}
		seen[s.Name] = true
		for _, m := range s.wrong(endpoints) {
			wrong("sinks", s.Name, "%s", m)
		}
	}
	return bad
}

// shape is what is wrong with an endpoint whatever the environment holds.
func (e *AlertEndpoint) shape() []string {
	known := engine.AlertEndpoint{Name: e.Name, URL: engine.Secret(e.URL), Insecure: e.Insecure, Timeout: time.Duration(e.Timeout), Headers: map[string]engine.Secret{}}
	if e.URLFrom != "" {
		known.URL = "https://in.the.environment"
	}
	for name, v := range e.Headers {
		known.Headers[name] = engine.Secret(v)
	}
	for name := range e.HeadersFrom {
		known.Headers[name] = ""
	}
	return known.Mistakes()
}

func (s *AlertSink) wrong(endpoints map[string]bool) (bad []string) {
	posts := s.Kind == "webhook" || s.Kind == "alertmanager"
	switch {
	case !posts && s.Kind != "log" && s.Kind != "plugin":
		bad = append(bad, "its kind must be log, webhook, alertmanager or plugin")
	case posts && !endpoints[s.Endpoint]:
		bad = append(bad, fmt.Sprintf("alerts.endpoints has no endpoint %q", short(s.Endpoint)))
	case !posts && s.Endpoint != "":
		bad = append(bad, "a "+s.Kind+" has no endpoint")
	case s.Kind == "plugin" && len(s.Settings) > 0:
		bad = append(bad, "the settings of a plug-in are in its manifest")
	case s.Kind != "plugin" && s.Plugin != "":
		bad = append(bad, "only the kind plugin names one")
	}
	if _, ok := severities()[s.Least]; !ok {
		bad = append(bad, "least must be info, warning or critical")
	}
	for _, p := range []Period{s.Repeat, s.Heartbeat} {
		if p != 0 && time.Duration(p) < time.Second {
			bad = append(bad, "repeat and heartbeat must be a second at least; 0 is never")
		}
	}
	return bad
}

func severities() map[string]engine.AlertSeverity {
	return map[string]engine.AlertSeverity{"": engine.AlertInfo, "info": engine.AlertInfo, "warning": engine.AlertWarning, "critical": engine.AlertCritical}
}

// deliver makes the sinks and endpoints of the configuration those of cfg. Plug-ins come from the host, and so does the log.
//
// # Errors
//
// Variables that are not set; what a sink says of its settings.
func (a *Alerts) deliver(ctx context.Context, cfg *engine.Config, h *Host, variable func(string) (string, bool)) error {
	var errs []error
	for i := range a.Endpoints {
		e, err := a.Endpoints[i].ready(variable)
		cfg.Alerts.Deliver.Endpoints = append(cfg.Alerts.Deliver.Endpoints, e)
		errs = append(errs, err)
	}
	for i := range a.Sinks {
		s, err := a.Sinks[i].ready(ctx, h)
		cfg.Alerts.Deliver.Sinks = append(cfg.Alerts.Deliver.Sinks, s)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ready fills in what is in the environment.
func (e *AlertEndpoint) ready(variable func(string) (string, bool)) (engine.AlertEndpoint, error) {
	out := engine.AlertEndpoint{Name: e.Name, URL: engine.Secret(e.URL), Insecure: e.Insecure, Timeout: time.Duration(e.Timeout), Headers: map[string]engine.Secret{}}
	var errs []error
	read := func(key, name string) engine.Secret {
		v, ok := variable(name)
		if !ok || v == "" {
			errs = append(errs, fmt.Errorf("alerts.endpoints: %q: %s: the environment has no variable %s", e.Name, key, name))
		}
		return engine.Secret(v)
	}
	if e.URLFrom != "" {
		out.URL = read("url_from", e.URLFrom)
	}
	if e.KeyFrom != "" {
		out.Key = read("key_from", e.KeyFrom)
	}
	for name, v := range e.Headers {
		out.Headers[name] = engine.Secret(v)
	}
	for _, name := range slices.Sorted(maps.Keys(e.HeadersFrom)) {
		out.Headers[name] = read("headers_from", e.HeadersFrom[name])
	}
	return out, errors.Join(errs...)
}

// ready makes the sink. Those that come with the engine run as any Go value of a third party does.
func (s *AlertSink) ready(ctx context.Context, h *Host) (engine.AlertSink, error) {
	out := engine.AlertSink{Name: s.Name, Least: severities()[s.Least], Repeat: time.Duration(s.Repeat), Heartbeat: time.Duration(s.Heartbeat)}
	if s.Kind == "plugin" {
		name := s.Plugin
		if name == "" {
			name = s.Name
		}
		out.To = h.Registry.Sink(name)
		if !slices.Contains(h.Registry.Sinks(), name) {
			return out, fmt.Errorf("alerts.sinks: %q: %w: plugins.dir has no plug-in %s that passes alerts on", s.Name, plugins.ErrState, name)
		}
		return out, nil
	}
	c := maps.Clone(s.Settings)
	if c == nil {
		c = map[string]any{}
	}
	setup := builtin.SinkSetup{Name: s.Kind, Config: c, Log: h}
	switch s.Kind {
	case "webhook":
		setup.Make = webhook.New
	case "alertmanager":
		setup.Make = alertmanager.New
		if s.Repeat == 0 {
			out.Repeat = time.Minute // it forgets what it is not told again, by default after five
		}
	default:
		setup.Make = logsink.New
		if _, given := c["least"]; !given {
			c["least"] = "info" // the sink's own least has sorted them already
		}
	}
	if s.Endpoint != "" {
		c["endpoint"], setup.Endpoints = s.Endpoint, []string{s.Endpoint}
	}
	to, err := builtin.Sink(ctx, setup)
	if err != nil {
		return out, fmt.Errorf("alerts.sinks: %q: %w", s.Name, err)
	}
	out.To = to
	return out, nil
}

// fromEnvironment is where secrets come from.
func fromEnvironment(name string) (string, bool) { return os.LookupEnv(name) }
