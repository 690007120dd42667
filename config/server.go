package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Server configures the HTTP interface of a program that serves a database.
type Server struct {
	// Listen is where it listens: host:port, or unix:/path of a socket.
	Listen string
	// Hosts are names by which clients may call the server besides those that follow from Listen.
	Hosts []string
	// TokenFile holds the bearer token; it is made, readable by its owner alone, when it is missing. "" is the database's path
	// with ".token" behind it.
	TokenFile string
	// Integers says how integers beyond 2^53 are answered when a request does not: "string" or "number".
	Integers string

	// TLS names the certificate; empty means plain HTTP, on this machine only.
	TLS ServerTLS
	// Limits bound one request, and how many there are.
	Limits ServerLimits
	// Timeouts bound the connection.
	Timeouts ServerTimeouts
	// Drain says how the server ends.
	Drain ServerDrain
	// OTLP sends metrics to a collector.
	OTLP ServerOTLP
}

// ServerOTLP says where metrics are sent to by OpenTelemetry's protocol. Traces are the business of --trace.
type ServerOTLP struct {
	// Metrics switches it on.
	Metrics bool
	// Endpoint is the collector's address without a path, http or https; "" is what OTEL_EXPORTER_OTLP_ENDPOINT says, or http://localhost:4318.
	Endpoint string
	// Interval is how often they are sent.
	Interval time.Duration
}

// ServerTLS names the files of a certificate in PEM form.
type ServerTLS struct {
	// Cert is the chain, the server's own certificate first.
	Cert string
	// Key is its private key.
	Key string
}

// ServerLimits bound what a client may ask for. Requests and Streams hold for each class on its own, so that one class cannot use
// up what another needs. All must be positive.
type ServerLimits struct {
	// Body is the largest body of a request, in bytes.
	Body int64
	// Rows is how many rows one answer may have.
	Rows int
	// Statements is how many a batch may have.
	Statements int
	// Time is the longest that one request may take; a request may ask for less.
	Time time.Duration
	// Requests is how many are under way at once in a class.
	Requests int
	// Streams is how many of them may be sending an answer too large for the buffer, which keeps a snapshot open.
	Streams int
}

// ServerTimeouts bound what a client may take. All must be positive.
type ServerTimeouts struct {
	// Header is how long the head of a request may take.
	Header time.Duration
	// Read is how long a whole request may take to arrive.
	Read time.Duration
	// Write is how long a piece of an answer may take to leave.
	Write time.Duration
	// Idle is how long a connection may do nothing between two requests.
	Idle time.Duration
}

// ServerDrain says how the server ends when it is told to.
type ServerDrain struct {
	// Delay is how long /readyz is red before the server stops listening, so that a load balancer sees it. 0 is not at all.
	Delay time.Duration
	// Time is how long requests that are under way may take to end.
	Time time.Duration
}

// The values of Server.Integers.
const (
	// IntegersAsStrings answers integers beyond 2^53 as strings, because JSON readers that hold numbers as floats round them.
	IntegersAsStrings = "string"
	// IntegersAsNumbers answers every integer as a number.
	IntegersAsNumbers = "number"
)

// unixPrefix marks a socket in Server.Listen.
const unixPrefix = "unix:"

// DefaultServer returns what suits most programs.
func DefaultServer() Server {
	return Server{
		Listen:   "127.0.0.1:7420",
		Integers: IntegersAsStrings,
		Limits:   ServerLimits{Body: 1 << 20, Rows: 1_000_000, Statements: 1000, Time: 30 * time.Second, Requests: 256, Streams: 16},
		Timeouts: ServerTimeouts{Header: 5 * time.Second, Read: 10 * time.Second, Write: 10 * time.Second, Idle: 2 * time.Minute},
		Drain:    ServerDrain{Delay: 500 * time.Millisecond, Time: 10 * time.Second},
		OTLP:     ServerOTLP{Interval: 30 * time.Second},
	}
}

// Socket returns the path of the unix socket that the server listens on; "" when it listens on a port.
func (c *Server) Socket() string {
	path, _ := strings.CutPrefix(c.Listen, unixPrefix)
	if path == c.Listen {
		return ""
	}
	return path
}

// Local reports whether Listen can be reached from this machine alone. A host name other than localhost is taken for a way in
// from outside, whatever it resolves to today.
func (c *Server) Local() bool {
	if strings.HasPrefix(c.Listen, unixPrefix) {
		return true
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// Mistakes lists what is wrong with c, one "server.key: why" each.
func (c *Server) Mistakes() []string {
	var out []string
	bad := func(key, why string) { out = append(out, "server."+key+": "+why) }
	c.listenMistakes(bad)
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		bad("tls", "cert and key go together: set both or none")
	}
	if c.Integers != IntegersAsStrings && c.Integers != IntegersAsNumbers {
		bad("integers", "must be string or number")
	}
	if e := c.OTLP.Endpoint; e != "" {
		if u, err := url.Parse(e); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("otlp.endpoint", "must be the address of a collector such as http://localhost:4318")
		}
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ \t*") {
			bad("hosts", "must be plain host names, without scheme, path or wildcard")
			break
		}
	}
	positive := func(key string, n int64) {
		if n <= 0 {
			bad(key, fmt.Sprintf("must be positive, got %d", n))
		}
	}
	positive("limits.body", c.Limits.Body)
	positive("limits.rows", int64(c.Limits.Rows))
	positive("limits.statements", int64(c.Limits.Statements))
	positive("limits.requests", int64(c.Limits.Requests))
	positive("limits.streams", int64(c.Limits.Streams))
	for _, d := range []struct {
		key string
		d   time.Duration
	}{
		{"otlp.interval", c.OTLP.Interval}, {"limits.time", c.Limits.Time}, {"timeouts.header", c.Timeouts.Header}, {"timeouts.read", c.Timeouts.Read},
		{"timeouts.write", c.Timeouts.Write}, {"timeouts.idle", c.Timeouts.Idle}, {"drain.time", c.Drain.Time},
	} {
		if d.d <= 0 {
			bad(d.key, fmt.Sprintf("must be positive, got %v", d.d))
		}
	}
	if c.Drain.Delay < 0 {
		bad("drain.delay", fmt.Sprintf("must not be negative, got %v", c.Drain.Delay))
	}
	return out
}

func (c *Server) listenMistakes(bad func(key, why string)) {
	if strings.HasPrefix(c.Listen, unixPrefix) {
		if c.Socket() == "" {
			bad("listen", "unix: needs the path of a socket behind it")
		}
		if c.TLS.Cert != "" {
			bad("tls", "a unix socket is not reached over a network and takes no certificate")
		}
		return
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		bad("listen", "must be host:port, or unix:/path of a socket")
		return
	}
	if c.Local() {
		return
	}
	if c.TLS.Cert == "" {
		bad("listen", "can be reached from other machines, where the token would travel in the clear: set server.tls.cert and server.tls.key, or listen on 127.0.0.1")
	}
	if addr, err := netip.ParseAddr(host); len(c.Hosts) == 0 && (host == "" || err == nil && addr.IsUnspecified()) {
		bad("hosts", "must name the hosts that clients call when server.listen takes every address")
	}
}
