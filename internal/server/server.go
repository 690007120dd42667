package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
)

// maxHeader bounds the head of a request, in bytes.
const maxHeader = 16 << 10

// Server answers requests on one database. It is safe for concurrent use; Serve is called once.
type Server struct {
	db       *engine.DB
	cfg      config.Server
	token    Token
	hosts    map[string]bool
	gates    gates
	origin   *http.CrossOriginProtection
	ready    readiness
	tracer   trace.Tracer
	log      *slog.Logger
	draining atomic.Bool
	plugins  Manager // nil: none
}

// New returns a server for db. The caller closes db, after Serve has returned.
//
// # Errors
//
// *engine.ConfigError with everything that is wrong with cfg, or a token that LoadToken has not returned.
func New(db *engine.DB, cfg config.Server, token Token) (*Server, error) {
	if bad := cfg.Mistakes(); len(bad) > 0 {
		return nil, &engine.ConfigError{Mistakes: bad}
	}
	if token == (Token{}) {
		return nil, errors.New("server: there is no token: load or make one with LoadToken")
	}
	s := &Server{db: db, cfg: cfg, token: token, hosts: allowedHosts(cfg), gates: newGates(cfg.Limits), origin: http.NewCrossOriginProtection(), log: db.Config().Logger}
	if s.log == nil {
		s.log = slog.Default()
	}
	provider := db.Config().TracerProvider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	s.tracer = provider.Tracer("github.com/tidegate/engine/internal/server")
	return s, nil
}

// allowedHosts are the names by which clients may call: what a page on a foreign host name that resolves to this machine sends is
// none of them.
func allowedHosts(cfg config.Server) map[string]bool {
	hosts := map[string]bool{}
	for _, h := range cfg.Hosts {
		hosts[plainHost(h)] = true
	}
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil && host != "" && cfg.Socket() == "" {
		hosts[plainHost(host)] = true
	}
	if cfg.Local() {
		hosts["localhost"], hosts["127.0.0.1"], hosts["::1"] = true, true, true
	}
	return hosts
}

// plainHost takes port, brackets, case and the final dot off a Host header.
func plainHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// Serve answers on l until ctx ends; then it drains: /readyz turns red, after the configured delay the listener is closed, and
// requests that are under way end. It closes l.
//
// # Errors
//
// nil after a drain in which every request ended; *[DrainError] when some did not; what the listener failed with.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base, cut := context.WithCancel(context.Background()) // what ends ctx, a signal to stop, must not end what is under way
	defer cut()
	srv := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: s.cfg.Timeouts.Header,
		ReadTimeout:       s.cfg.Timeouts.Read,
		IdleTimeout:       s.cfg.Timeouts.Idle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // a client that goes away is no event
	}
	ended := make(chan error, 1)
	go func() {
		if s.cfg.TLS.Cert != "" {
			ended <- srv.ServeTLS(l, s.cfg.TLS.Cert, s.cfg.TLS.Key)
			return
		}
		ended <- srv.Serve(l)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("server: %w", err)
	case <-ctx.Done():
	}
	return s.drain(srv, cut)
}

// DrainError says that requests had to be cut off. Their transactions were rolled back, or their outcome is as for a client that
// lost its connection.
type DrainError struct {
	// Waited is how long they were given.
	Waited time.Duration
}

// Error says what to change.
func (e *DrainError) Error() string {
	return fmt.Sprintf("server: requests were still under way after %v and were cut off: raise server.drain.time", e.Waited)
}

func (s *Server) drain(srv *http.Server, cut context.CancelFunc) error {
	s.draining.Store(true)
	s.log.Info("draining", "delay", s.cfg.Drain.Delay, "time", s.cfg.Drain.Time)
	time.Sleep(s.cfg.Drain.Delay) // still answering: whoever asks /readyz learns that the end is near
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain.Time)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		cut()
		srv.Close()
		return &DrainError{Waited: s.cfg.Drain.Time}
	}
	return err
}
