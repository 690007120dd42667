package logsink

import (
	"strconv"

	"github.com/tidegate/engine/sdk"
)

// Sink is the sink; New makes one.
type Sink struct {
	least    sdk.Severity
	resolved bool
	line     []byte
}

// New returns a sink to be configured.
func New() any { return &Sink{} }

// Configure implements sdk.Configurer.
func (s *Sink) Configure(c *sdk.Config) error {
	least := c.OneOf("least", "info", "warning", "error", "critical")
	for v := sdk.Info; v <= sdk.Critical; v++ {
		if sdk.SeverityName(v) == least {
			s.least = v
		}
	}
	s.resolved = c.Bool("resolved", true)
	return nil
}

// Notify implements sdk.Sink.
func (s *Sink) Notify(b *sdk.Batch, _ *sdk.Deliveries) error {
	for row := range b.Len() {
		a := b.Alert(row)
		if a.Severity < s.least || !a.Firing && !s.resolved {
			continue
		}
		state, level := "resolved ", sdk.LevelInfo
		if a.Firing {
			state, level = "firing ", levelOf(a.Severity)
		}
		s.line = append(append(s.line[:0], "alert "...), state...)
		s.line = append(append(append(s.line, sdk.SeverityName(a.Severity)...), ' '), a.Rule...)
		s.line = append(append(s.line, ": "...), a.Title...)
		if a.Known {
			s.line = strconv.AppendFloat(append(s.line, " value="...), a.Value, 'g', -1, 64)
		}
		s.line = strconv.AppendInt(append(s.line, " id="...), a.ID, 10)
		for key, v := range a.Labels.All() {
			s.line = append(append(append(append(s.line, ' '), key...), '='), v...)
		}
		if a.Diagnosis.Cause != "" {
			s.line = append(append(s.line, " cause="...), a.Diagnosis.Cause...)
		}
		if a.Body != "" {
			s.line = append(append(s.line, " | "...), a.Body...)
		}
		b.Log(level, string(s.line))
	}
	return nil
}

func levelOf(v sdk.Severity) sdk.Level {
	switch v {
	case sdk.Info:
		return sdk.LevelInfo
	case sdk.Warning:
		return sdk.LevelWarning
	}
	return sdk.LevelError
}
