package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/alert"
)

func writeJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = fmt.Fprintln(w, string(text))
	}
	return err
}

// labelText is labels as they are written on a command line.
func labelText(labels []engine.AlertLabel) string {
	var b strings.Builder
	for _, l := range labels {
		fmt.Fprintf(&b, " %s=%s", l.Key, l.Value)
	}
	return b.String()
}

// printAlerts writes each alert with what is known of its cause below it, and then the silences.
func printAlerts(w io.Writer, got alertAnswer) error {
	var b strings.Builder
	if len(got.Alerts) == 0 {
		b.WriteString("no alerts\n")
	}
	for i := range got.Alerts {
		alertLines(&b, &got.Alerts[i])
	}
	if t := got.Teller; t != nil && !t.Self {
		fmt.Fprintf(&b, "this server watches: process %d on %s tells of alerts, last heard of %s\n", t.Process, t.Host, t.Heard.Local().Format(time.DateTime))
	}
	for _, s := range got.Silences {
		by := ""
		if s.By != "" {
			by = ", by " + s.By
		}
		fmt.Fprintf(&b, "silence %d: %s until %s%s: %s\n", s.ID, s.String(), s.Until.Local().Format(time.DateTime), by, s.Why)
	}
	_, err := io.WriteString(w, printableLines(b.String()))
	return err
}

// printableLines keeps what came from elsewhere from steering a terminal.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func alertLines(b *strings.Builder, e *engine.AlertEntry) {
	state := "firing"
	switch {
	case e.Ended != nil:
		state = "ended " + e.Ended.Local().Format(time.DateTime)
	case e.Flapping:
		state = "flapping"
	}
	if e.Silence > 0 {
		state += fmt.Sprintf(", silenced by %d", e.Silence)
	}
	fmt.Fprintf(b, "%d  %-8s %s%s: %s\n", e.ID, e.Severity, e.Rule, labelText(e.Labels), e.Title)
	fmt.Fprintf(b, "   since %s, %s, now %s, limit %s\n", e.Since.Local().Format(time.DateTime), state, alert.Quantity(e.Value, e.Unit), alert.Quantity(e.Limit, e.Unit))
	if e.Note != "" {
		fmt.Fprintf(b, "   %s\n", e.Note)
	}
	d := e.Diagnosis
	if d == nil {
		if e.Body != "" && e.Ended == nil {
			fmt.Fprintf(b, "   %s\n", e.Body)
		}
		return
	}
	fmt.Fprintf(b, "   cause %s: %s\n", d.Cause, d.Summary)
	for _, text := range d.Evidence {
		fmt.Fprintf(b, "     because %s\n", text)
	}
	for _, text := range d.Advice {
		fmt.Fprintf(b, "     do: %s\n", text)
	}
	if d.Frozen != "" {
		fmt.Fprintf(b, "     see: engine trace dump --frozen %s\n", d.Frozen)
	}
}

// printStandings writes where each rule stands.
func printStandings(w io.Writer, rules []engine.AlertState) error {
	t := newTable(w, []string{"rule", "state", "value", "worst", "limit", "since", "when"})
	for _, s := range rules {
		since := "-"
		if s.Since != nil {
			since = "for " + time.Since(*s.Since).Round(time.Second).String()
		}
		row := []any{s.Rule + labelText(s.Labels), s.State, alert.Quantity(s.Value, s.Unit), alert.Quantity(s.Worst, s.Unit), alert.Quantity(s.Limit, s.Unit), since, s.When}
		if err := t.row(row); err != nil {
			return err
		}
	}
	return t.end()
}
