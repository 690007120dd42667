package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Silence keeps alerts from being told for a time. They are evaluated and stored all the same, and one that still goes on when the silence ends is told
// then. What was told as begun before is told as ended.
type Silence struct {
	// ID is given by whoever keeps it.
	ID int64 `json:"id"`
	// Rule is the name of the rule; "" is every rule. Labels are those that an alert must have, among others.
	Rule   string  `json:"rule,omitempty"`
	Labels []Label `json:"labels,omitempty"`
	// Until is when it ends by itself.
	Until time.Time `json:"until"`
	// By says who silences, Why what for.
	By   string    `json:"by,omitempty"`
	Why  string    `json:"why"`
	Made time.Time `json:"made"`
}

// longest is how long a silence may last: what nobody wants to hear of for longer is a rule to switch off.
const longest = 90 * 24 * time.Hour

// wrong says what is wrong with a silence that begins now.
func (s *Silence) wrong(now time.Time) error {
	switch {
	case !s.Until.After(now):
		return &SilenceError{"it ends before it begins"}
	case s.Until.Sub(now) > longest:
		return &SilenceError{"it would last for more than 90 days: switch the rule off (alerts.off)"}
	case strings.TrimSpace(s.Why) == "":
		return &SilenceError{"it does not say why: whoever finds it wants to know"}
	case len(s.Why) > 1000 || len(s.By) > 200 || len(s.Rule) > 64 || len(s.Labels) > 16:
		return &SilenceError{"it is too long"}
	}
	return nil
}

// SilenceError says what is wrong with a silence.
type SilenceError struct{ Reason string }

// Error says it.
func (e *SilenceError) Error() string { return "silence: " + e.Reason }

// covers reports whether the silence is about an alert, now.
func (s *Silence) covers(a *Alert, now time.Time) bool {
	if !now.Before(s.Until) || s.Rule != "" && s.Rule != a.Rule {
		return false
	}
	for _, l := range s.Labels {
		if !slices.Contains(a.Labels, l) {
			return false
		}
	}
	return true
}

// Covers reports whether the silence is about an alert, now. One that was told before it was silenced is among these.
func (s *Silence) Covers(a *Alert, now time.Time) bool { return s.covers(a, now) }

// String says it in a line.
func (s *Silence) String() string {
	what := "every rule"
	if s.Rule != "" {
		what = s.Rule
	}
	for _, l := range s.Labels {
		what += fmt.Sprintf(" %s=%s", l.Key, l.Value)
	}
	return what
}
