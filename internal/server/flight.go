package server

import (
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
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
	last, limit, frozen, err := flightTerms(e.r)
	if err != nil {
		return err
	}
	f := s.db.Trace()
	if f == nil {
		return &failure{status: http.StatusConflict, kind: "off", message: "tracing is off: trace.records says how many operations are kept"}
	}
	ops := f.Last(last)
	head := struct {
		At     time.Time         `json:"at"`
		Reason string            `json:"reason,omitempty"`
		Stats  engine.TraceStats `json:"stats"`
	}{At: time.Now(), Stats: f.Stats()}
	if frozen {
		c := f.Frozen()
		if c == nil {
			return &failure{status: http.StatusNotFound, kind: "not_found", message: "nothing is frozen: POST /v1/trace/freeze, or an alert, freezes the flight recorder"}
		}
		ops, head.At, head.Reason = c.Operations(), c.At, c.Reason
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	e.head(http.StatusOK, "application/json")
	b := append(text[:len(text)-1], `,"operations":[`...)
	for i, o := range newest(ops, limit) {
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

// flightTerms reads what is wanted of the recorder.
func flightTerms(r *http.Request) (last time.Duration, limit int, frozen bool, err error) {
	limit = defaultOperations
	for key, values := range r.URL.Query() {
		value := values[len(values)-1]
		var wrong error
		switch key {
		case "last":
			if last, wrong = time.ParseDuration(value); last <= 0 && wrong == nil {
				wrong = strconv.ErrRange
			}
		case "limit":
			if limit, wrong = strconv.Atoi(value); (limit < 1 || limit > maxOperations) && wrong == nil {
				wrong = strconv.ErrRange
			}
		case "frozen":
			frozen, wrong = strconv.ParseBool(value)
		default:
			wrong = strconv.ErrSyntax
		}
		if wrong != nil {
			return 0, 0, false, &failure{status: http.StatusBadRequest, kind: "args",
				message: "last takes a duration such as 60s, limit a number from 1 to " + strconv.Itoa(maxOperations) + ", frozen true or false; there is nothing else to say"}
		}
	}
	return last, limit, frozen, nil
}

// freeze keeps a copy of the flight recorder, or lets go of it.
func (s *Server) freeze(e *exchange) error {
	var body struct {
		Reason string `json:"reason"`
		Thaw   bool   `json:"thaw"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	f := s.db.Trace()
	done := false
	if body.Thaw {
		done = f.Thaw()
	} else {
		done = f.Freeze(body.Reason)
	}
	e.reply(http.StatusOK, append(strconv.AppendBool([]byte(`{"done":`), done), '}'))
	return nil
}
