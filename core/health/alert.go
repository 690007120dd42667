package health

import (
	"fmt"
	"strings"
)

// Alert is one that goes on.
type Alert struct {
	Rule, Severity, Title string
	// Matters is false for one that is worth knowing and no more, and for one that somebody has silenced.
	Matters bool
}

// Alerts tells of those that go on.
func Alerts(list []Alert) Check {
	var parts []string
	matters := false
	for _, a := range list {
		parts = append(parts, fmt.Sprintf("%s (%s): %s", a.Rule, a.Severity, a.Title))
		matters = matters || a.Matters
	}
	detail := strings.Join(parts, "; ")
	switch {
	case parts == nil:
		return Good("alerts", "none is firing")
	case matters:
		return Warning("alerts", detail, "engine alert list says since when, and what is behind it")
	}
	return Good("alerts", detail)
}
