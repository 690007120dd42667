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
