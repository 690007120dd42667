package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// metrics is what Prometheus scrapes. It has the token like everything that says what the database does: scrape_configs takes it by
// authorization.credentials_file.
func (s *Server) metrics(e *exchange) error {
	open := strings.Contains(e.r.Header.Get("Accept"), "application/openmetrics-text")
	var b bytes.Buffer
	if err := s.db.Telemetry().WriteMetrics(&b, open); err != nil {
		return unkept(err)
	}
	media := engine.PrometheusType
	if open {
		media = engine.OpenMetricsType
	}
	e.head(http.StatusOK, media)
	e.piece(b.Bytes())
	return nil
}

// unkept gives a question about telemetry that is not kept the status that it deserves.
func unkept(err error) error {
	if errors.Is(err, engine.ErrNotStored) {
		return &failure{status: http.StatusNotFound, kind: "not_stored", message: "this server keeps no such telemetry: see telemetry.measure, telemetry.store and telemetry.slow.log"}
	}
	var wrong *engine.MetricQueryError
	if errors.As(err, &wrong) {
		return badRequest("%s", wrong.Why)
	}
	return err
}

// document answers with a value as JSON.
func (e *exchange) document(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	e.reply(http.StatusOK, b)
	return nil
}

// stats is the present value of every metric, and the statements that took most time.
func (s *Server) stats(e *exchange) error {
	t := s.db.Telemetry()
	return e.document(struct {
		Metrics    []engine.MetricSeries   `json:"metrics"`
		Statements []engine.StatementStats `json:"statements"`
	}{t.Now(), t.Statements(20)})
}

// queryMetrics answers from the stored metrics.
func (s *Server) queryMetrics(e *exchange) error {
	v := e.r.URL.Query()
	now := time.Now()
	q := engine.MetricQuery{Name: v.Get("name")}
	var err error
	for _, text := range v["label"] {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return badRequest("label: write key=value")
		}
		q.Labels = append(q.Labels, engine.MetricLabel{Key: key, Value: value})
	}
	if q.From, err = instant(v, "from", "6h", now); err != nil {
		return err
	}
	if q.To, err = instant(v, "to", "0s", now); err != nil {
		return err
	}
	if text := v.Get("step"); text != "" {
		if q.Step, err = time.ParseDuration(text); err != nil {
			return badRequest("step: write a duration such as 1m")
		}
	}
	for _, text := range v["quantile"] {
		p, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return badRequest("quantile: write a number from 0 to 1")
		}
		q.Quantiles = append(q.Quantiles, p)
	}
	series, err := s.db.Telemetry().Metrics(e.r.Context(), q)
	if err != nil {
		return unkept(err)
	}
	return e.document(struct {
		Series []engine.MetricSeries `json:"series"`
	}{series})
}

// instant reads a time: seconds since 1970, RFC 3339, or how long ago.
func instant(v url.Values, key, otherwise string, now time.Time) (time.Time, error) {
	text := cmp.Or(v.Get(key), otherwise)
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, badRequest("%s: write how long ago (6h), seconds since 1970, or 2026-03-02T09:00:00Z", key)
	}
	return at, nil
}

// slow lists slow statements, newest first.
func (s *Server) slow(e *exchange) error {
	v := e.r.URL.Query()
	f := engine.SlowFilter{Fingerprint: v.Get("fingerprint")}
	var err error
	if v.Has("since") {
		if f.Since, err = instant(v, "since", "", time.Now()); err != nil {
			return err
		}
	}
	if text := v.Get("id"); text != "" {
		if f.ID, err = strconv.ParseInt(text, 10, 64); err != nil {
			return badRequest("id: write a number")
		}
	}
	if text := v.Get("limit"); text != "" {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 || f.Limit > 5000 {
			return badRequest("limit: write a number from 1 to 5000")
		}
	}
	entries, err := s.db.Telemetry().Slow(e.r.Context(), f)
	if err != nil {
		return unkept(err)
	}
	return e.document(struct {
		Slow []engine.SlowEntry `json:"slow"`
	}{entries})
}

// replay runs a statement again with the bindings that the process has of it. What they are is not said.
func (s *Server) replay(e *exchange) error {
	var body struct {
		Fingerprint string `json:"fingerprint"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	runs, err := s.db.Telemetry().Replay(e.r.Context(), body.Fingerprint)
	switch {
	case errors.Is(err, engine.ErrReadOnly):
		return &failure{status: http.StatusForbidden, kind: "read_only", message: "the statement writes: only what reads is run again"}
	case err != nil:
		return unkept(err)
	}
	return e.document(struct {
		Runs []engine.Replayed `json:"runs"`
	}{runs})
}
