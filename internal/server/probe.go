package server

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/tidegate/engine"
)

// healthz says that the process is alive. It does not touch the database: a process is not restarted because a disk is full.
func (s *Server) healthz(e *exchange) error {
	e.reply(http.StatusOK, []byte(`{"ok":true}`))
	return nil
}

// readyFor is how long an answer of the database is good. /readyz is open to strangers and asking takes the writer's turn.
const readyFor = 500 * time.Millisecond

// readiness keeps the last answer of the database.
type readiness struct {
	mu    sync.Mutex
	last  engine.Health
	asked time.Time
}

// health asks the database, or repeats what it said a moment ago. Those who come while it is asked wait for the same answer.
func (s *Server) health(ctx context.Context) engine.Health {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if s.ready.asked.IsZero() || time.Since(s.ready.asked) > readyFor {
		s.ready.last, s.ready.asked = s.db.Health(context.WithoutCancel(ctx)), time.Now()
	}
	return s.ready.last
}

// forget has the database asked anew.
func (s *Server) forget() {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	s.ready.asked = time.Time{}
}

// readyz says whether requests should come here: a warning turns nobody away. Whoever has the token is told more than the names of the
// checks: details hold paths.
func (s *Server) readyz(e *exchange) error {
	trusted := s.token.matches(e.r.Header.Get("Authorization"))
	if s.draining.Load() {
		e.w.Header().Set("Retry-After", "1")
		said := `{"ok":false,"ready":false,"draining":true}`
		if trusted {
			said = `{"ok":false,"ready":false,"draining":true,"level":"degraded"}`
		}
		e.reply(http.StatusServiceUnavailable, []byte(said))
		return nil
	}
	h := s.health(e.r.Context())
	b, err := json.Marshal(ReportOf(&h, trusted))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if !h.Ready {
		status = http.StatusServiceUnavailable
	}
	e.reply(status, b)
	return nil
}
