package sdk

import (
	"iter"
	"strings"
	"time"

	"github.com/tidegate/engine/sdk/abi"
)

// Alert is one alert.
type Alert struct {
	// ID stays the same for one alert, from firing to resolved.
	ID int64
	// Rule, Title and Body say what is wrong; Firing is false when it is over.
	Rule, Title, Body string
	Firing            bool
	Severity          Severity
	// Value is what was measured, Limit what it may be, both in Unit; Known is false where nothing was measured.
	Value, Limit float64
	Unit         string
	Known        bool
	// Since is when it began, At the instant of this word.
	Since, At time.Time
	// Labels tell alerts of one rule apart: what knows an alert by its labels needs them.
	Labels Labels
	// Diagnosis is what is known of the cause.
	Diagnosis Diagnosis
}

// Diagnosis is what is known of the cause of an alert; empty where nobody has looked.
type Diagnosis struct {
	// Cause is a word that stays the same.
	Cause string
	// Explanation is for people: what it is, what speaks for it, what to do.
	Explanation string
	// JSON is an object with all that is known.
	JSON string
}

// Labels are pairs of a key and a value, as lines "key=value".
type Labels string

// MakeLabels writes pairs down. What would be no line any more, control characters in a value, becomes spaces.
func MakeLabels(pairs ...[2]string) Labels {
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(oneLine(strings.ReplaceAll(p[0], "=", "_")))
		b.WriteByte('=')
		b.WriteString(oneLine(p[1]))
		b.WriteByte('\n')
	}
	return Labels(b.String())
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return ' '
		}
		return r
	}, s)
}

// All are the pairs, in their order.
func (l Labels) All() iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for rest := string(l); rest != ""; {
			line, after, _ := strings.Cut(rest, "\n")
			rest = after
			if key, value, ok := strings.Cut(line, "="); ok && !yield(key, value) {
				return
			}
		}
	}
}

// Append adds the alert to a batch of op Alerts. It is for hosts.
func (a *Alert) Append(b *abi.Batch) {
	state := "resolved"
	if a.Firing {
		state = "firing"
	}
	b.Int(a.ID)
	b.Text(a.Rule)
	b.Text(state)
	b.Int(int64(a.Severity))
	b.Text(a.Title)
	b.Text(a.Body)
	if a.Known {
		b.Float(a.Value)
	} else {
		b.Null()
	}
	b.Int(nanoseconds(a.At))
	b.Text(string(a.Labels))
	since := a.Since
	if since.IsZero() {
		since = a.At
	}
	b.Int(nanoseconds(since))
	b.Float(a.Limit)
	for _, text := range [...]string{a.Unit, a.Diagnosis.Cause, a.Diagnosis.Explanation, a.Diagnosis.JSON} {
		b.Text(text)
	}
}

// nanoseconds is 0 for the zero time, which int64 cannot hold.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Alert reads a row of a batch of alerts. Its texts are valid during the call.
func (b *Batch) Alert(row int) Alert {
	c := func(col int) Cell { return b.Cell(row, col) }
	return Alert{ID: c(0).Int(), Rule: c(1).Text(), Firing: c(2).Text() == "firing", Severity: Severity(max(0, min(c(3).Int(), int64(Critical)))),
		Title: c(4).Text(), Body: c(5).Text(), Value: c(6).Float(), Known: !c(6).IsNull(), At: time.Unix(0, c(7).Int()).UTC(),
		Labels: Labels(c(8).Text()), Since: time.Unix(0, c(9).Int()).UTC(), Limit: c(10).Float(), Unit: c(11).Text(),
		Diagnosis: Diagnosis{Cause: c(12).Text(), Explanation: c(13).Text(), JSON: c(14).Text()}}
}

// SeverityName is the word for a severity: info, warning, error, critical.
func SeverityName(s Severity) string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "critical"
}
