package deliver

import (
	"strconv"
	"time"

	"github.com/tidegate/engine/core/alert"
)

// Letter is an alert on its way to a sink, or one that did not get there.
type Letter struct {
	// ID is its number; negative where it is kept in memory alone.
	ID int64 `json:"id"`
	// Sink is whom it is for.
	Sink string `json:"sink"`
	// Alert is what it says.
	Alert alert.Alert `json:"alert"`
	// Queued is when it was noted, Ended when it became a dead letter; the zero time before.
	Queued time.Time `json:"queued"`
	Ended  time.Time `json:"ended"`
	// Attempts is how often it was tried, Next when it is tried again.
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next"`
	// Reason is why the latest attempt failed; it holds no address beyond a host's name, and no secret.
	Reason string `json:"reason,omitempty"`
}

// Key tells the letter from every other one, of this engine and of others, and is the same whenever it is tried: receivers can use it to take a
// letter once.
func (l *Letter) Key(source string) string {
	state := "resolved"
	if l.Alert.Firing {
		state = "firing"
	}
	return source + "-" + strconv.FormatInt(l.Alert.ID, 10) + "-" + state + "-" + l.Sink
}

// place is what must not be overtaken: letters of one alert to one sink.
type place struct {
	sink  string
	alert int64
}

func (l *Letter) place() place { return place{l.Sink, l.Alert.ID} }
