package server

import (
	"time"

	"github.com/tidegate/engine"
)

// HealthReport is what /readyz, and engine health --json, say of a database.
type HealthReport struct {
	OK    bool   `json:"ok"`
	Ready bool   `json:"ready"`
	Level string `json:"level"`
	// Draining is true while the server is about to stop; nothing else is said then.
	Draining bool            `json:"draining,omitempty"`
	Checks   []CheckReport   `json:"checks"`
	Breakers []BreakerReport `json:"breakers,omitempty"`
}

// CheckReport is what is said about one check. Strangers get no details.
type CheckReport struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Ready  bool   `json:"ready"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// BreakerReport is what is said about one circuit breaker.
type BreakerReport struct {
	Name       string `json:"name"`
	State      string `json:"state"`
	Since      string `json:"since,omitempty"` // RFC 3339
	RetryAfter int64  `json:"retry_after_ms,omitempty"`
	Failures   uint64 `json:"failures"`
	Opened     uint64 `json:"opened"`
	Refused    uint64 `json:"refused"`
}

// ReportOf says what is found. Details hold paths, and are for those alone who are trusted.
func ReportOf(h *engine.Health, trusted bool) HealthReport {
	a := HealthReport{OK: h.OK, Ready: h.Ready, Level: h.Level().String(), Checks: []CheckReport{}}
	for _, c := range h.Checks {
		said := CheckReport{Name: c.Name, OK: c.OK, Ready: c.Ready}
		if trusted {
			said.Detail, said.Remedy = c.Detail, c.Remedy
		}
		a.Checks = append(a.Checks, said)
	}
	if !trusted {
		return a
	}
	for _, b := range h.Breakers {
		said := BreakerReport{Name: b.Name, State: b.State.String(), RetryAfter: b.RetryAfter.Milliseconds(), Failures: b.Failures, Opened: b.Opened, Refused: b.Refused}
		if !b.Since.IsZero() {
			said.Since = b.Since.UTC().Format(time.RFC3339)
		}
		a.Breakers = append(a.Breakers, said)
	}
	return a
}

// PluginsReport is what /v1/plugins, and engine plugin list --json, say of the plug-ins in service and of what rules did.
type PluginsReport struct {
	Plugins []PluginReport `json:"plugins"`
	Rules   RulesReport    `json:"rules"`
}

// PluginReport is what is said about a version.
type PluginReport struct {
	Name      string      `json:"name"`
	Version   string      `json:"version"`
	State     string      `json:"state"`
	Tables    []string    `json:"tables"`
	Faults    int         `json:"faults"`
	LastFault string      `json:"last_fault"`
	Module    string      `json:"module"`
	Config    string      `json:"config"`
	Shadow    bool        `json:"shadow"` // it is asked beside the active version, and refuses nothing
	Asked     RulesReport `json:"asked"`
}

// RulesReport counts what rules were asked and answered since the database was opened.
type RulesReport struct {
	Calls    uint64 `json:"calls"`
	Rows     uint64 `json:"rows"`
	Micros   int64  `json:"microseconds"`
	Rejected uint64 `json:"rejected"`
	Warned   uint64 `json:"warned"`
	Failed   uint64 `json:"failed"`
	Allowed  uint64 `json:"allowed"`
	Shadowed uint64 `json:"shadowed"`
}
