package deliver

import (
	"encoding/json"
	"strings"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/sdk"
)

// Bounds of what is said of a cause, so that any sink can make a message of it.
const (
	mostDiagnosis   = 16 << 10 // bytes of JSON
	mostExplanation = 4 << 10  // bytes of text
)

// notice is an alert as plug-ins see it.
func notice(a *alert.Alert) sdk.Alert {
	pairs := make([][2]string, len(a.Labels))
	for i, l := range a.Labels {
		pairs[i] = [2]string{l.Key, l.Value}
	}
	n := sdk.Alert{ID: a.ID, Rule: a.Rule, Title: a.Title, Body: a.Body, Firing: a.Firing, Severity: severity(a.Severity), Value: a.Value, Limit: a.Limit, Unit: a.Unit,
		Known: a.Unit != "" || a.Value != 0 || a.Limit != 0, Since: a.Since, At: a.At, Labels: sdk.MakeLabels(pairs...)}
	if d := a.Diagnosis; d != nil {
		n.Diagnosis = sdk.Diagnosis{Cause: d.Cause, Explanation: explanation(d), JSON: diagnosis(*d)}
	}
	return n
}

// severity translates: plug-ins know one more, error.
func severity(s alert.Severity) sdk.Severity {
	switch s {
	case alert.Info:
		return sdk.Info
	case alert.Warning:
		return sdk.Warning
	}
	return sdk.Critical
}

// explanation is a diagnosis for people.
func explanation(d *alert.Diagnosis) string {
	var b strings.Builder
	b.WriteString(d.Summary)
	section := func(head string, lines []string) {
		if len(lines) == 0 {
			return
		}
		b.WriteString("\n" + head)
		for _, line := range lines {
			b.WriteString("\n- " + line)
		}
	}
	section("What speaks for it:", d.Evidence)
	section("What to do:", d.Advice)
	section("What it is not:", d.Ruled)
	text := b.String()
	if len(text) > mostExplanation {
		text = strings.ToValidUTF8(text[:mostExplanation], "")
	}
	return text
}

// diagnosis is all that is known, as JSON; what is least needed goes first where that is too much, and "" is left where nothing fits.
func diagnosis(d alert.Diagnosis) string {
	for range 5 {
		text, err := json.Marshal(d)
		if err != nil {
			return ""
		}
		if len(text) <= mostDiagnosis {
			return string(text)
		}
		switch {
		case d.Ruled != nil:
			d.Ruled = nil
		case d.Statements != nil:
			d.Statements = nil
		case len(d.Evidence) > 1:
			d.Evidence = d.Evidence[:1]
		default:
			d = alert.Diagnosis{Cause: d.Cause, Frozen: d.Frozen}
		}
	}
	return ""
}
