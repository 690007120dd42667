package alert

import (
	"context"
	"fmt"
	"time"
)

// Severity says how much an alert matters. The words are those of package sdk, which has one more, error.
type Severity uint8

// The severities.
const (
	// Info is worth knowing.
	Info Severity = iota
	// Warning wants a look within the day.
	Warning
	// Critical wants somebody now.
	Critical
)

// String is the severity in lower case.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	}
	return "info"
}

// MarshalText writes the severity as String has it.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes; anything else is an error.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Info, Warning, Critical} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is none of info, warning and critical", text)
}

// Label tells alerts of one rule apart.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Alert is one thing that is wrong, or was. It is a value; nobody changes it once it was handed out.
type Alert struct {
	// ID is the same for one alert from its beginning to its end, and is never given again in one database.
	ID int64 `json:"id"`
	// Rule is the name of its rule.
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Firing is true while it is wrong, false in the word that it is over.
	Firing bool `json:"firing"`
	// Labels are those of the series that the rule has found, sorted by key.
	Labels []Label `json:"labels,omitempty"`
	// Title is one line, Body says what it means and what to do. Neither holds a value that a caller has bound.
	Title string `json:"title"`
	Body  string `json:"body,omitempty"`
	// Value is what the rule found, Limit what it may be, both in Unit.
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit,omitempty"`
	// Since is when it began to be wrong, At when this was said.
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`
	// Flapping is true where it comes and goes so often that its ends are not told any more.
	Flapping bool `json:"flapping,omitempty"`
	// Diagnosis is what is known of the cause; nil where nobody has looked.
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`
}

// Diagnosis is what is known of the cause of an alert.
type Diagnosis struct {
	// Cause is a word that stays the same, such as long_reader or disk_slow; "unknown" where nothing explains it.
	Cause string `json:"cause"`
	// Summary is one sentence with the figures.
	Summary string `json:"summary"`
	// Evidence are the facts that speak for it, the strongest first; Ruled are causes that were looked at and are not it, each with its reason.
	Evidence []string `json:"evidence,omitempty"`
	Ruled    []string `json:"ruled_out,omitempty"`
	// Advice is what to do, the most useful first; each is a command or a setting where there is one.
	Advice []string `json:"advice,omitempty"`
	// Statements are the fingerprints that are involved, Traces the identifiers of traces, in hexadecimal digits.
	Statements []Statement `json:"statements,omitempty"`
	Traces     []string    `json:"traces,omitempty"`
	// Frozen names the copy of the flight recorder that was kept; "" where there is none.
	Frozen string `json:"frozen,omitempty"`
}

// Statement is a kind of statement that has to do with an alert.
type Statement struct {
	Fingerprint string `json:"fingerprint"`
	// Summary is as in traces: the operation and the table.
	Summary string `json:"summary"`
	// What says what is wrong with it, in figures.
	What string `json:"what"`
}

// Notifier takes alerts on their way. It is safe for concurrent use.
type Notifier interface {
	// Notify takes an alert, and has it in a safe place when it returns; it does not wait for anybody to be told.
	Notify(ctx context.Context, a Alert) error
}

// Diagnoser finds out what is behind an alert that begins. It is safe for concurrent use, looks at the engine without burdening it, and never fails: where
// it finds nothing it says so.
type Diagnoser interface {
	Diagnose(ctx context.Context, a Alert) *Diagnosis
}

// Follower is a Diagnoser that wants to know when an alert is over as well. Resolved does not wait for anything.
type Follower interface {
	Diagnoser
	Resolved(a Alert)
}
