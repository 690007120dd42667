package server

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// route is something that can be asked for.
type route struct {
	method  string
	open    bool   // needs no token
	pattern string // of its path
	handle  func(s *Server, e *exchange) error
}

// routes are all there are. What is reached by GET changes nothing.
func routes() map[string]route {
	return map[string]route{
		"/healthz":     {method: http.MethodGet, open: true, handle: (*Server).healthz},
		"/readyz":      {method: http.MethodGet, open: true, handle: (*Server).readyz},
		"/v1/query":    {method: http.MethodPost, handle: bounded((*Server).query)},
		"/v1/exec":     {method: http.MethodPost, handle: bounded((*Server).exec)},
		"/v1/batch":    {method: http.MethodPost, handle: bounded((*Server).batch)},
		"/v1/sessions": {method: http.MethodGet, handle: (*Server).sessions},
		"/v1/kill":     {method: http.MethodPost, handle: (*Server).kill},
		"/v1/plugins":  {method: http.MethodGet, handle: (*Server).listPlugins},

		"/v1/trace":              {method: http.MethodGet, handle: (*Server).flight},
		"/v1/trace/freeze":       {method: http.MethodPost, handle: (*Server).freeze},
		"/metrics":               {method: http.MethodGet, handle: (*Server).metrics},
		"/v1/stats":              {method: http.MethodGet, handle: (*Server).stats},
		"/v1/metrics/query":      {method: http.MethodGet, handle: (*Server).queryMetrics},
		"/v1/slow":               {method: http.MethodGet, handle: (*Server).slow},
		"/v1/alerts":             {method: http.MethodGet, handle: (*Server).alerts},
		"/v1/alerts/silence":     {method: http.MethodPost, handle: (*Server).silence},
		"/v1/alerts/sinks":       {method: http.MethodGet, handle: (*Server).sinks},
		"/v1/alerts/test":        {method: http.MethodPost, handle: (*Server).tryAlert},
		"/v1/alerts/resend":      {method: http.MethodPost, handle: (*Server).resendAlert},
		"/v1/alerts/silence/end": {method: http.MethodPost, handle: (*Server).endSilence},
		"/v1/slow/replay":        {method: http.MethodPost, handle: bounded((*Server).replay)},
	}
}

// exchange is one request with its answer.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	rc     *http.ResponseController
	s      *Server
	terms  terms
	status int // 0 until the head has been sent
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &exchange{w: w, r: r, rc: http.NewResponseController(w), s: s}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	rt, err := s.admit(r)
	if err != nil {
		e.fail(err)
		return
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := s.tracer.Start(ctx, r.Method+" "+rt.pattern, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("http.route", rt.pattern)))
	e.r = r.WithContext(ctx)
	defer func() { // on the panic that aborts an answer too
		span.SetAttributes(attribute.Int("http.response.status_code", e.status))
		if e.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}()
	if err := rt.handle(s, e); err != nil {
		e.fail(err)
	}
}

// admit decides whether the request may be looked at. The order matters: nothing is said about what exists to those who call by a
// wrong name, nor is a body read before the token was right.
func (s *Server) admit(r *http.Request) (route, error) {
	if !s.hosts[plainHost(r.Host)] {
		return route{}, &failure{status: http.StatusMisdirectedRequest, kind: "host", message: "this server is not called so: use the name in server.listen, or add the host to server.hosts"}
	}
	if err := s.origin.Check(r); err != nil {
		return route{}, &failure{status: http.StatusForbidden, kind: "cross_origin", message: "requests from pages of another origin are refused"}
	}
	rt, pattern, found := find(r.URL.Path)
	rt.pattern = pattern
	if (!found || !rt.open) && !s.token.matches(r.Header.Get("Authorization")) {
		return route{}, &failure{status: http.StatusUnauthorized, kind: "token", message: "needs the header Authorization: Bearer with the token of the server's token file"}
	}
	switch {
	case !found:
		return route{}, &failure{status: http.StatusNotFound, kind: "not_found", message: "there is no such path: /v1/query, /v1/exec, /v1/batch, /v1/sessions, /v1/kill, /v1/trace, /v1/trace/freeze, /v1/stats, /v1/metrics/query, /v1/slow, /v1/slow/replay, /v1/alerts, /v1/alerts/silence, /v1/alerts/silence/end, /v1/alerts/sinks, /v1/alerts/test, /v1/alerts/resend, /v1/plugins, /v1/plugins/{name}/{load, reload, unload, promote, quarantine or lift}, /metrics, /healthz, /readyz"}
	case r.Method != rt.method && !(r.Method == http.MethodHead && rt.method == http.MethodGet):
		return route{}, &failure{status: http.StatusMethodNotAllowed, kind: "method", message: "use " + rt.method, allow: rt.method}
	}
	return rt, nil
}

// bounded wraps what works on the database: it reads the terms, takes a place of the class, and sets the time limit.
func bounded(handle func(*Server, *exchange) error) func(*Server, *exchange) error {
	return func(s *Server, e *exchange) (err error) {
		if e.terms, err = s.terms(e.r.Header, e.r.URL.Path); err != nil {
			return err
		}
		leave, err := enter(s.gates.requests[e.terms.class], "too many requests of this class are under way (server.limits.requests)")
		if err != nil {
			return err
		}
		defer leave()
		ctx, cancel := context.WithTimeout(e.r.Context(), e.terms.timeout)
		defer cancel()
		e.r = e.r.WithContext(ctx)
		return handle(s, e)
	}
}

// head sends status and headers.
func (e *exchange) head(status int, media string) {
	e.w.Header().Set("Content-Type", media)
	e.status = status
	e.w.WriteHeader(status)
}

// piece sends a part of the body. A client that does not take it in time loses its connection: an answer that just stopped could be
// taken for a whole one.
func (e *exchange) piece(b []byte) {
	_ = e.rc.SetWriteDeadline(time.Now().Add(e.s.cfg.Timeouts.Write)) // a recorder in a test has no deadline
	if _, err := e.w.Write(b); err != nil {
		panic(http.ErrAbortHandler) // the way of net/http to end a connection
	}
}

// reply sends a whole answer.
func (e *exchange) reply(status int, body []byte) {
	e.head(status, "application/json")
	e.piece(append(body, '\n'))
}

// fail answers with an error, where no answer has begun.
func (e *exchange) fail(err error) {
	f := failureOf(err)
	if f.status >= http.StatusInternalServerError && f.retryAfter == 0 {
		e.s.log.Warn("request failed", "path", e.r.URL.Path, "kind", f.kind, "error", f.message)
	}
	f.header(e.w.Header())
	e.reply(f.status, append(f.appendTo([]byte(`{"error":`)), '}'))
}
