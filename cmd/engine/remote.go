package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tidegate/engine/config"
)

// remoteTime is how long a server may take to answer: what is asked of it waits for nobody.
const remoteTime = 10 * time.Second

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

// remote is a running `engine serve` on this machine, or behind its certificate.
type remote struct {
	client *http.Client
	base   string // of URLs
	where  string // as a person knows it
	token  string
}

// remoteFlags adds the flags by which a server is found: those of `engine serve`, so that the same settings lead to it.
func remoteFlags(f *flag.FlagSet) *sources {
	s := sourceFlags(f, "config")
	s.alias(f, "server", "server.listen", "the `address` where engine serve listens: host:port or unix:/path (default 127.0.0.1:7420)")
	s.alias(f, "token-file", "server.token_file", "`file` with its bearer token; by default the database's path with .token behind it")
	return s
}

// connect reads the settings and the token. It sends nothing yet.
func (s *sources) connect() (*remote, error) {
	settings, err := s.load()
	if err != nil {
		return nil, err
	}
	return connectTo(settings)
}

// connectTo is connect with settings that have been read.
func connectTo(settings *config.Settings) (*remote, error) {
	path, err := tokenPath(settings)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no token in %s (%w): does `engine serve` run on this database? --db names the database, --token-file the file", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	r := &remote{where: settings.Server.Listen, token: strings.TrimSpace(string(text))}
	transport := &http.Transport{} // without the environment's proxy: the token is for the server alone
	if err := r.reach(transport, &settings.Server); err != nil {
		return nil, err
	}
	r.client = &http.Client{Transport: transport, Timeout: remoteTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return r, nil
}

// reach sets how the server is reached.
func (r *remote) reach(transport *http.Transport, c *config.Server) error {
	if socket := c.Socket(); socket != "" {
		r.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		return nil
	}
	r.base = "http://" + c.Listen
	if c.TLS.Cert == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() { // it listens everywhere, and so here
		host = "localhost"
		if len(c.Hosts) > 0 {
			host = c.Hosts[0]
		}
	}
	chain, err := os.ReadFile(c.TLS.Cert)
	if err != nil {
		return fmt.Errorf("server.tls.cert: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(chain) // one that nobody else has signed is good for its own machine
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	r.base = "https://" + net.JoinHostPort(host, port)
	return nil
}

// refusedError is an answer that is no success.
type refusedError struct {
	status  int
	kind    string
	message string
}

func (e *refusedError) Error() string {
	if e.kind == "token" {
		return "the server refused the token: is it that of another server? --token-file names the file that the server has"
	}
	return "the server refused: " + e.message
}

// call sends a request and decodes the answer. body may be nil, which makes it a GET.
func (r *remote) call(ctx context.Context, path string, body, into any) error {
	status, text, err := r.send(ctx, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var wrong struct {
			Error struct {
				Kind    string `json:"kind"`
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal(text, &wrong) != nil || wrong.Error.Message == "" {
			return fmt.Errorf("what answers on %s is no `engine serve` (status %d): --server names another", r.where, status)
		}
		return &refusedError{status, wrong.Error.Kind, wrong.Error.Message}
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("what answers on %s is no `engine serve`: %w", r.where, err)
	}
	return nil
}

// absentError says that nobody listens where the server was looked for.
type absentError struct {
	where string
	cause error
}

func (e *absentError) Error() string {
	return fmt.Sprintf("no server answers on %s (%v): start one with `engine serve`, or name it with --server", e.where, e.cause)
}

func (e *absentError) Unwrap() error { return e.cause }

// send sends a request and returns the answer, whatever its status.
func (r *remote) send(ctx context.Context, path string, body any) (status int, text []byte, err error) {
	method, content := http.MethodGet, io.Reader(nil)
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		method, content = http.MethodPost, bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, content)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
		var deep *net.OpError
		if errors.As(err, &deep) && deep.Op == "dial" {
			return 0, nil, &absentError{r.where, deep.Err}
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, text, err
}
