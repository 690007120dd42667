package health

import (
	"fmt"
	"strings"

	"github.com/tidegate/engine/core/lane"
)

// laneQueues are the lines of one lane.
type laneQueues struct {
	name    string
	queues  []lane.QueueStats
	starved int
}

func lanesOf(s *lane.Stats) []laneQueues {
	return []laneQueues{{"writer", s.Writer.Queues[:], 0}, {"readers", s.Readers.Queues[:], s.Readers.Starved},
		{"analytics", s.Analytics.Queues[:], s.Analytics.Starved}, {"maintenance", s.Maintenance.Queues[:], s.Maintenance.Starved}}
}

// Queue tells of lines that wait and of lines that shed load. room is how many transactions may wait for the writer.
func Queue(s *lane.Stats, room int) Check {
	detail := []string{fmt.Sprintf("%d transactions waiting", s.Writer.Waiting)}
	var shedding []string
	for _, l := range lanesOf(s) {
		refused := uint64(0)
		for _, q := range l.queues {
			refused += q.Refused.Total()
			if q.Shedding {
				shedding = append(shedding, fmt.Sprintf("the %s sheds load of class %s, of which %d wait", l.name, q.Class, q.Waiting))
			}
		}
		if refused > 0 {
			detail = append(detail, fmt.Sprintf("the %s has turned away %d calls since the start", l.name, refused))
		}
	}
	found := strings.Join(append(shedding, detail...), "; ")
	switch {
	case len(shedding) > 0:
		return Failure("queue", found, "more is asked than can be done: ask for less, or wait for RetryAfter before asking again (docs/overload.md)")
	case s.Writer.Waiting > room/2:
		return Failure("queue", found, "more is written than the disk can sync: write less at once, or Relaxed where that is enough")
	}
	return Good("queue", found)
}

// Connections tells of lanes whose connections are all held while somebody wants one, and of connections that were lost.
func Connections(s *lane.Stats) Check {
	detail := fmt.Sprintf("%d readers open, %d callers waiting, %d connections left behind", s.Readers.Open, s.Readers.Waiting, s.Leaked)
	var remedies []string
	starving := false
	for _, l := range lanesOf(s) {
		if l.starved > 0 {
			starving = true
			detail = fmt.Sprintf("the %s lane has no connection left for %d callers: open rows and Views hold all of them; ", l.name, l.starved) + detail
			remedies = append(remedies, "close rows and Views sooner, or raise "+l.name+".connections")
		}
	}
	if s.Leaked > 0 {
		remedies = append(remedies, "a statement could not be stopped and its connection was fenced: restart when convenient")
	}
	remedy := strings.Join(remedies, "; ")
	switch {
	case starving:
		return Failure("connections", detail, remedy)
	case s.Leaked > 0:
		return Warning("connections", detail, remedy)
	}
	return Good("connections", detail)
}
