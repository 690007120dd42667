package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// unwatched gives a question about alerts that are off, or that makes no sense, the status that it deserves.
func unwatched(err error) error {
	var wrong *engine.AlertSilenceError
	switch {
	case errors.Is(err, engine.ErrNoAlerts):
		return &failure{status: http.StatusNotFound, kind: "no_alerts", message: "this server evaluates no alerts: see alerts.evaluate and telemetry.measure"}
	case errors.As(err, &wrong):
		return badRequest("%s", wrong.Error())
	}
	return err
}

// alerts lists the alerts that go on, with all=1 those that have ended too, the silences, where each rule stands, and which process
// tells; with history=n the latest n things that have happened.
func (s *Server) alerts(e *exchange) error {
	v, a := e.r.URL.Query(), s.db.Alerts()
	limit, err := whole(v.Get("limit"), "limit", 100)
	if err != nil {
		return err
	}
	lines, err := whole(v.Get("history"), "history", 0)
	if err != nil {
		return err
	}
	var out struct {
		Alerts   []engine.AlertEntry     `json:"alerts"`
		Silences []engine.AlertSilence   `json:"silences"`
		Rules    []engine.AlertState     `json:"rules"`
		History  []engine.AlertHappening `json:"history,omitempty"`
		Teller   engine.AlertTeller      `json:"teller"`
	}
	out.Alerts, err = a.Firing()
	if err == nil && v.Get("all") != "" {
		out.Alerts, err = a.Latest(e.r.Context(), limit)
	}
	if err == nil {
		out.Silences, err = a.Silences()
	}
	if err == nil {
		out.Rules, err = a.States()
	}
	if err == nil {
		out.Teller, err = a.Teller()
	}
	if err == nil && lines > 0 {
		out.History, err = a.History(e.r.Context(), lines)
	}
	if err != nil {
		return unwatched(err)
	}
	return e.document(out)
}

// whole reads a number of things; "" is otherwise.
func whole(text, key string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000 {
		return 0, badRequest("%s: write a number from 1 to 10000", key)
	}
	return n, nil
}

// silence begins a silence.
func (s *Server) silence(e *exchange) error {
	var body struct {
		Rule   string            `json:"rule"`
		Labels map[string]string `json:"labels"`
		For    string            `json:"for"`
		By     string            `json:"by"`
		Why    string            `json:"why"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	d, err := time.ParseDuration(body.For)
	if err != nil {
		return badRequest("for: write a duration such as 2h")
	}
	want := engine.AlertSilence{Rule: body.Rule, Until: time.Now().Add(d), By: body.By, Why: body.Why}
	for k, v := range body.Labels {
		want.Labels = append(want.Labels, engine.AlertLabel{Key: k, Value: v})
	}
	slices.SortFunc(want.Labels, func(a, b engine.AlertLabel) int { return strings.Compare(a.Key, b.Key) })
	made, err := s.db.Alerts().Silence(e.r.Context(), want)
	if err != nil {
		return unwatched(err)
	}
	return e.document(made)
}

// endSilence ends a silence before its time.
func (s *Server) endSilence(e *exchange) error {
	var body struct {
		ID int64 `json:"id"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	if err := s.db.Alerts().EndSilence(e.r.Context(), body.ID); err != nil {
		return unwatched(err)
	}
	return e.document(struct {
		ID int64 `json:"id"`
	}{body.ID})
}
