package server

import (
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

// Bounds of an answer of /v1/trace.
const (
	defaultOperations = 10_000
	maxOperations     = 100_000
)

// flight answers with the last operations of the flight recorder, or with those that were frozen.
func (s *Server) flight(e *exchange) error {
	want, err := flightTerms(e.r)
	if err != nil {
		return err
	}
	f := s.db.Trace()
	if f == nil {
		return &failure{status: http.StatusConflict, kind: "off", message: "tracing is off: trace.records says how many operations are kept"}
	}
	ops := f.Last(want.last)
	head := struct {
		At       time.Time         `json:"at"`
		Name     string            `json:"name,omitempty"`
		Reason   string            `json:"reason,omitempty"`
		Stats    engine.TraceStats `json:"stats"`
		Captures []capture         `json:"captures,omitempty"`
	}{At: time.Now(), Stats: f.Stats(), Captures: captures(f)}
	if want.frozen {
		c := f.Frozen()
		if want.name != "" {
			c = f.Captured(want.name)
		}
		if c == nil {
			return &failure{status: http.StatusNotFound, kind: "not_found", message: nothingFrozen(want.name, head.Captures)}
		}
		ops, head.At, head.Name, head.Reason = c.Operations(), c.At, c.Name, c.Reason
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	e.head(http.StatusOK, "application/json")
	b := append(text[:len(text)-1], `,"operations":[`...)
	for i, o := range newest(ops, want.limit) {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		one, err := json.Marshal(o)
		if err != nil {
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
		if b = append(b, one...); len(b) > 64<<10 {
			e.piece(b)
			b = b[:0]
		}
	}
	e.piece(append(b, "]}\n"...))
	return nil
}

// newest keeps the last of a sequence.
func newest(ops iter.Seq[engine.TraceOperation], limit int) []engine.TraceOperation {
	var kept []engine.TraceOperation
	for o := range ops {
		if len(kept) >= 2*limit {
			kept = kept[:copy(kept, kept[len(kept)-limit:])]
		}
		kept = append(kept, o)
	}
	return kept[max(0, len(kept)-limit):]
}

// capture is a copy of the flight recorder that is kept.
type capture struct {
	Name       string    `json:"name"`
	Reason     string    `json:"reason"`
	At         time.Time `json:"at"`
	Operations int       `json:"operations"`
}

func captures(f *engine.FlightRecorder) (out []capture) {
	for _, c := range f.Captures() {
		out = append(out, capture{c.Name, c.Reason, c.At, c.Len()})
	}
	return out
}

func nothingFrozen(name string, kept []capture) string {
	if len(kept) == 0 {
		return "nothing is frozen: POST /v1/trace/freeze, or an alert, freezes the flight recorder"
	}
	names := make([]string, len(kept))
	for i, c := range kept {
		names[i] = strconv.Quote(c.Name)
	}
	return "there is no copy of the name " + strconv.Quote(name) + "; there are " + strings.Join(names, ", ")
}

// flightTerm is what is wanted of the recorder.
type flightTerm struct {
	last   time.Duration
	limit  int
	frozen bool
	name   string // of a capture; "" for the one that was made by hand, or the oldest
}

// flightTerms reads it.
func flightTerms(r *http.Request) (flightTerm, error) {
	want := flightTerm{limit: defaultOperations}
	for key, values := range r.URL.Query() {
		value := values[len(values)-1]
		var wrong error
		switch key {
		case "last":
			if want.last, wrong = time.ParseDuration(value); want.last <= 0 && wrong == nil {
				wrong = strconv.ErrRange
			}
		case "limit":
			if want.limit, wrong = strconv.Atoi(value); (want.limit < 1 || want.limit > maxOperations) && wrong == nil {
				wrong = strconv.ErrRange
			}
		case "frozen":
			want.frozen, wrong = strconv.ParseBool(value)
		case "name":
			want.name = value
		default:
			wrong = strconv.ErrSyntax
		}
		if wrong != nil {
			return want, &failure{status: http.StatusBadRequest, kind: "args",
				message: "last takes a duration such as 60s, limit a number from 1 to " + strconv.Itoa(maxOperations) + ", frozen true or false, name that of a copy; there is nothing else to say"}
		}
	}
	return want, nil
}

// freeze keeps a copy of the flight recorder, or lets go of it.
func (s *Server) freeze(e *exchange) error {
	var body struct {
		Reason string `json:"reason"`
		Thaw   bool   `json:"thaw"`
		Name   string `json:"name"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	f := s.db.Trace()
	done := false
	switch {
	case body.Thaw && body.Name != "":
		done = f.Drop(body.Name)
	case body.Thaw:
		done = f.Thaw()
	default:
		done = f.Freeze(body.Reason)
	}
	e.reply(http.StatusOK, append(strconv.AppendBool([]byte(`{"done":`), done), '}'))
	return nil
}
