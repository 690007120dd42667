package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/tidegate/engine"
)

func alertSettings() []setting {
	a := func(f func(*engine.AlertsConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Alerts) }
	}
	return []setting{
		{key: "alerts.evaluate", field: a(func(c *engine.AlertsConfig) any { return &c.Evaluate }),
			doc: "Evaluate the rules of alerts after each telemetry.interval. Needs telemetry.measure."},
		{key: "alerts.off", field: a(func(c *engine.AlertsConfig) any { return &c.Off }),
			doc: "Names of default rules that are not evaluated; docs/alerts.md lists them."},
		{key: "alerts.limits", field: a(func(c *engine.AlertsConfig) any { return &c.Limits }),
			doc: `Other limits for default rules, each a rule's name and what would stand behind its expression: "SignalLatencyHigh > 80ms resolve < 60ms for 2m". What is not said stays.`},
		{key: "alerts.rules", field: a(func(c *engine.AlertsConfig) any { return &c.Rules }),
			doc: `Further rules: each has a name, when it fires, and perhaps a severity (info, warning, critical), a title and a body. Outside of the file they are JSON: [{"name":"Big","when":"max(sqlite.file.size) > 100GB"}].`},
	}
}

// alertRule is a rule of alerts as it is written: in the file as a mapping, elsewhere as a JSON array of such objects.
type alertRule struct {
	Name     string `json:"name"`
	When     string `json:"when"`
	Severity string `json:"severity,omitempty"`
	Title    string `json:"title,omitempty"`
	Body     string `json:"body,omitempty"`
}

// parseAlertRules reads the JSON form; "" is none.
func parseAlertRules(text string) (any, error) {
	if text == "" {
		return []engine.AlertRule(nil), nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	var in []alertRule
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf(`must be JSON, as in: [{"name": "Big", "when": "max(sqlite.file.size) > 100GB"}]: %w`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one JSON array")
	}
	return alertRules(in)
}

func alertRules(in []alertRule) (any, error) {
	var out []engine.AlertRule
	for _, r := range in {
		rule := engine.AlertRule{Name: r.Name, When: r.When, Title: r.Title, Body: r.Body}
		switch r.Severity {
		case "info":
			rule.Severity = engine.AlertInfo
		case "", "warning":
			rule.Severity = engine.AlertWarning
		case "critical":
			rule.Severity = engine.AlertCritical
		default:
			return nil, fmt.Errorf("the severity of %s must be info, warning or critical, not %s", short(r.Name), short(r.Severity))
		}
		out = append(out, rule)
	}
	return out, nil
}

// alertRuleText writes the JSON form.
func alertRuleText(rules []engine.AlertRule) string {
	if len(rules) == 0 {
		return ""
	}
	out := make([]alertRule, len(rules))
	for i, r := range rules {
		out[i] = alertRule{r.Name, r.When, r.Severity.String(), r.Title, r.Body}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(out) // texts always encode
	return string(bytes.TrimSpace(b.Bytes()))
}

// alertRules takes the list of a file.
func (r *reader) alertRules(st setting, line int, value *yaml.Node) {
	found, ok := r.mappings(st, value, []string{"name", "when", "severity", "title", "body"}, "must be a list of rules, each with a name, when it fires, and perhaps a severity, a title and a body",
		"knows name, when, severity, title and body, each a text, and not ")
	if !ok {
		return
	}
	var in []alertRule
	for _, m := range found {
		in = append(in, alertRule{m["name"], m["when"], m["severity"], m["title"], m["body"]})
	}
	rules, err := alertRules(in)
	if err != nil {
		r.wrong(st.key, line, err.Error())
		return
	}
	own, _ := rules.([]engine.AlertRule)
	r.add(st, alertRuleText(own), r.at(line))
}
