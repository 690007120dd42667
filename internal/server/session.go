package server

import (
	"net/http"
	"strconv"
)

// sessions lists what is under way in the database, oldest first.
func (s *Server) sessions(e *exchange) error {
	b := []byte(`{"sessions":[`)
	for i, under := range s.db.Sessions() {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = strconv.AppendUint(append(b, `{"id":`...), under.ID, 10)
		for _, m := range []struct{ name, value string }{
			{"lane", under.Lane}, {"class", under.Class.String()}, {"name", under.Name}, {"state", under.State}, {"query", under.Query},
		} {
			b = appendText(append(b, `,"`+m.name+`":`...), m.value)
		}
		b = append(strconv.AppendInt(append(b, `,"age_ms":`...), under.Age.Milliseconds(), 10), '}')
	}
	e.reply(http.StatusOK, append(b, "]}"...))
	return nil
}

// kill ends a session; nothing of it is applied.
func (s *Server) kill(e *exchange) error {
	var body struct {
		ID uint64 `json:"id"`
	}
	if err := s.decode(e.w, e.r, &body); err != nil {
		return err
	}
	if !s.db.Kill(body.ID) {
		return &failure{status: http.StatusNotFound, kind: "not_found", message: "there is no session with this number"}
	}
	e.reply(http.StatusOK, []byte(`{"killed":true}`))
	return nil
}
