package server

import (
	"errors"
	"net/http"

	"github.com/tidegate/engine"
)

// sinkless gives a question about delivery where nobody is told the status that it deserves.
func sinkless(err error) error {
	if errors.Is(err, engine.ErrNoSinks) {
		return &failure{status: http.StatusNotFound, kind: "no_sinks", message: "nobody is told of alerts but the log of this server: see alerts.sinks"}
	}
	return err
}

// sinks tells how the sinks of alerts fare, and lists the dead letters.
func (s *Server) sinks(e *exchange) error {
	limit, err := whole(e.r.URL.Query().Get("limit"), "limit", 100)
	if err != nil {
		return err
	}
	var out struct {
		Sinks []engine.AlertSinkState `json:"sinks"`
		Dead  []engine.AlertLetter    `json:"dead"`
	}
	if out.Sinks, err = s.db.Alerts().Sinks(e.r.Context()); err == nil {
		out.Dead, err = s.db.Alerts().Dead(e.r.Context(), limit)
	}
	if err != nil {
		return sinkless(err)
	}
	return e.document(out)
}

// tryAlert sends a test alert to a sink, or to all of them, and says what each answered.
func (s *Server) tryAlert(e *exchange) error {
	var body struct {
		Sink string `json:"sink"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	answers, err := s.db.Alerts().Test(e.r.Context(), body.Sink)
	switch {
	case err != nil:
		return sinkless(err)
	case len(answers) == 0:
		return badRequest("sink: there is none of this name: GET /v1/alerts/sinks lists them")
	}
	return e.document(struct {
		Answers []engine.AlertTrial `json:"answers"`
	}{answers})
}

// resendAlert has a dead letter delivered after all, or all of them.
func (s *Server) resendAlert(e *exchange) error {
	var body struct {
		ID int64 `json:"id"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	n, err := s.db.Alerts().Resend(e.r.Context(), body.ID)
	if err != nil {
		return sinkless(err)
	}
	return e.document(struct {
		Resent int `json:"resent"`
	}{n})
}
