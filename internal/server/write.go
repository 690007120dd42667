package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tidegate/engine"
)

// exec runs one statement that writes, as a transaction of its own.
func (s *Server) exec(e *exchange) error {
	var body statement
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	if body.plain() {
		return s.run(e, &body)
	}
	b := engine.NewBatch()
	if err := body.record(b); err != nil {
		return err
	}
	result, err := s.db.Batch(e.r.Context(), b, e.terms.options...)
	if err != nil {
		return withoutStatement(err)
	}
	e.reply(http.StatusOK, appendStep(nil, &result.Steps[0], body.Rows, e.terms))
	return nil
}

// run is exec for a statement of which no more is asked.
func (s *Server) run(e *exchange, body *statement) error {
	if body.SQL == "" {
		return badRequest("sql: there is no statement")
	}
	args, err := arguments(body.Args)
	if err != nil {
		return err
	}
	for _, o := range e.terms.options {
		args = append(args, o)
	}
	result, err := s.db.Exec(e.r.Context(), body.SQL, args...)
	if err != nil {
		return err
	}
	e.reply(http.StatusOK, append(appendResult([]byte{'{'}, result, e.terms.bigAsText), '}'))
	return nil
}

// withoutStatement: where there is one statement, its number says nothing.
func withoutStatement(err error) error {
	f := *failureOf(err)
	f.statement = 0
	return &f
}

// batch runs statements as one transaction: all of them, or none.
func (s *Server) batch(e *exchange) error {
	var body struct {
		Statements []statement `json:"statements"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	switch n := len(body.Statements); {
	case n == 0:
		return badRequest("statements: there is none")
	case n > s.cfg.Limits.Statements:
		return &failure{status: http.StatusRequestEntityTooLarge, kind: "too_big", message: "a batch has at most " + strconv.Itoa(s.cfg.Limits.Statements) + " statements (server.limits.statements)"}
	}
	b := engine.NewBatch()
	for i := range body.Statements {
		if err := body.Statements[i].record(b); err != nil {
			var f *failure
			if errors.As(err, &f) {
				f.statement = i + 1
			}
			return err
		}
	}
	result, err := s.db.Batch(e.r.Context(), b, e.terms.options...)
	if err != nil {
		return err
	}
	out := []byte(`{"results":[`)
	for i := range result.Steps {
		if i > 0 {
			out = append(out, ",\n"...)
		}
		out = appendStep(out, &result.Steps[i], body.Statements[i].Rows, e.terms)
	}
	e.reply(http.StatusOK, append(out, "]}"...))
	return nil
}

func appendResult(b []byte, r engine.Result, bigAsText bool) []byte {
	b = strconv.AppendInt(append(b, `"rows_affected":`...), r.RowsAffected, 10)
	return appendValue(append(b, `,"last_insert_id":`...), r.LastInsertID, bigAsText)
}

// appendStep appends what a statement of a batch has done. The engine bounds the rows that a batch may keep, before it commits; a
// limit here would deny what has been committed.
func appendStep(b []byte, step *engine.StepResult, rows bool, t terms) []byte {
	b = appendResult(append(b, '{'), step.Result, t.bigAsText)
	if rows {
		b = append(appendTexts(append(b, `,"columns":`...), step.Rows.Columns()), `,"rows":[`...)
		for i := range step.Rows.Len() {
			if i > 0 {
				b = append(b, ",\n"...)
			}
			b = appendRow(b, step.Rows.Values(i), t.bigAsText)
		}
		b = strconv.AppendInt(append(b, `],"count":`...), int64(step.Rows.Len()), 10)
	}
	return append(b, '}')
}
