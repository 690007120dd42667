package alert

import "time"

// Entry is an alert with what became of it.
type Entry struct {
	Alert
	// Ended is when it ended; nil while it goes on.
	Ended *time.Time `json:"ended,omitempty"`
	// Told is true once its beginning was passed on to be delivered.
	Told bool `json:"told"`
	// Silence is the silence that keeps it from being told; 0 where none does.
	Silence int64 `json:"silence,omitempty"`
	// Note says why it ended where that is not because all is well again.
	Note string `json:"note,omitempty"`

	group   string // the identity of its labels
	toldEnd bool
	saved   bool
	alone   int // for how many evaluations one who watches was the only one to see it
}

// key is that of its rule and group.
func (e *Entry) key() string { return e.Rule + "\x00" + e.group }

// What can happen to an alert, as its history has it.
const (
	Fired    = "fired"
	Resolved = "resolved"
	Faded    = "faded"   // nothing was known any more
	Removed  = "removed" // its rule is not there any more
	Muted    = "silenced"
	Passed   = "told"
)

// Happening is a line of the history.
type Happening struct {
	At     time.Time `json:"at"`
	Alert  int64     `json:"alert"`
	Rule   string    `json:"rule"`
	Labels []Label   `json:"labels,omitempty"`
	// What is fired, told, silenced, resolved, faded or removed.
	What string `json:"what"`
	// Value is what the rule found then.
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// happening is a line about an alert.
func (e *Entry) happening(what string, at time.Time) Happening {
	return Happening{At: at, Alert: e.ID, Rule: e.Rule, Labels: e.Labels, What: what, Value: e.Value, Unit: e.Unit}
}
