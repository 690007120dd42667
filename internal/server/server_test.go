package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/config"
	"github.com/tidegate/engine/internal/server"
)

// bench is a server under test, on a database with a table t(id, v).
type bench struct {
	db    *engine.DB
	url   string // http://127.0.0.1:port
	token string
	stop  context.CancelFunc
	ended chan error // what Serve returned
}

// start serves a new database. change may alter the configuration.
func start(t testing.TB, change func(*config.Server)) *bench {
	t.Helper()
	dir := t.TempDir()
	cfg := engine.DefaultConfig(filepath.Join(dir, "test.db"))
	cfg.Logger = slog.New(slog.DiscardHandler)
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(t.Context(), "CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY CHECK (v IS NOT 'refused')) STRICT"); err != nil {
		t.Fatal(err)
	}
	conf := config.DefaultServer()
	conf.Listen, conf.Drain.Delay = "127.0.0.1:0", 0
	if change != nil {
		change(&conf)
	}
	b := &bench{db: db, ended: make(chan error, 1)}
	path := filepath.Join(dir, "token")
	token, made, err := server.LoadToken(path)
	if err != nil || !made {
		t.Fatalf("made %v: %v", made, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b.token = strings.TrimSpace(string(text))
	s, err := server.New(db, conf, token)
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(conf)
	if err != nil {
		t.Fatal(err)
	}
	b.url = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		select {
		case <-b.ended:
		case <-time.After(20 * time.Second):
			t.Error("the server did not end")
		}
	})
	return b
}

// response is an answer that was read whole.
type response struct {
	status int
	header http.Header
	body   string
}

// request makes a request with the token. headers are name, value, name, value….
func (b *bench) request(t testing.TB, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

func send(t testing.TB, r *http.Request) response {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res.StatusCode, res.Header, string(body)}
}

func (b *bench) post(t testing.TB, path, body string, headers ...string) response {
	t.Helper()
	return send(t, b.request(t, http.MethodPost, path, body, headers...))
}

// problem is the error of an answer.
type problem struct {
	Kind         string `json:"kind"`
	Message      string `json:"message"`
	Statement    int    `json:"statement"`
	RetryAfterMS int    `json:"retry_after_ms"`
}

func (r response) problem(t testing.TB) problem {
	t.Helper()
	var out struct {
		Error *problem `json:"error"`
	}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil || out.Error == nil || out.Error.Message == "" {
		t.Fatalf("status %d: no error in %q: %v", r.status, r.body, err)
	}
	return *out.Error
}

// count asks the database itself.
func (b *bench) count(t testing.TB, where string) (n int) {
	t.Helper()
	if err := b.db.QueryRow(context.Background(), "SELECT count(*) FROM t WHERE "+where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Limits.Body = 4096; c.Hosts = []string{"db.example.com"} })
	const insert = `{"sql":"INSERT INTO t (v) VALUES (1)"}`
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		kind               string
	}{
		"no token":               {"POST", "/v1/exec", insert, []string{"Authorization", ""}, 401, "token"},
		"wrong token":            {"POST", "/v1/exec", insert, []string{"Authorization", "Bearer " + strings.Repeat("0", 64)}, 401, "token"},
		"token as basic":         {"POST", "/v1/exec", insert, []string{"Authorization", "Basic " + b.token}, 401, "token"},
		"half the token":         {"POST", "/v1/exec", insert, []string{"Authorization", "Bearer " + b.token[:32]}, 401, "token"},
		"unknown path, no token": {"POST", "/v1/secret", insert, []string{"Authorization", ""}, 401, "token"},
		"unknown path":           {"POST", "/v1/secret", insert, nil, 404, "not_found"},
		"sessions, no token":     {"GET", "/v1/sessions", "", []string{"Authorization", ""}, 401, "token"},
		"kill, no token":         {"POST", "/v1/kill", `{"id":1}`, []string{"Authorization", ""}, 401, "token"},
		"foreign host":           {"POST", "/v1/exec", insert, []string{"Host", "evil.example.com"}, 421, "host"},
		"foreign host, probe":    {"GET", "/healthz", "", []string{"Host", "evil.example.com:7420"}, 421, "host"},
		"cross site":             {"POST", "/v1/exec", insert, []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
		"cross origin":           {"POST", "/v1/exec", insert, []string{"Origin", "https://evil.example.com"}, 403, "cross_origin"},
		"exec by GET":            {"GET", "/v1/exec", insert, nil, 405, "method"},
		"query by PUT":           {"PUT", "/v1/query", insert, nil, 405, "method"},
		"probe by POST":          {"POST", "/healthz", "", nil, 405, "method"},
		"form":                   {"POST", "/v1/exec", insert, []string{"Content-Type", "text/plain"}, 415, "request"},
		"large body":             {"POST", "/v1/exec", insert + strings.Repeat(" ", 4096), nil, 413, "too_big"},
		"no JSON":                {"POST", "/v1/exec", `{"sql":`, nil, 400, "request"},
		"two documents":          {"POST", "/v1/exec", insert + insert, nil, 400, "request"},
		"brace too many":         {"POST", "/v1/exec", insert + "}", nil, 400, "request"},
		"unknown member":         {"POST", "/v1/exec", `{"sql":"SELECT 1","arguments":[]}`, nil, 400, "request"},
		"member of another":      {"POST", "/v1/query", `{"sql":"SELECT 1","expect":1}`, nil, 400, "request"},
		"wrong type":             {"POST", "/v1/exec", `{"sql":["secret"]}`, nil, 400, "request"},
		"no statement":           {"POST", "/v1/exec", `{}`, nil, 400, "request"},
		"bad UTF-8":              {"POST", "/v1/exec", "{\"sql\":\"SELECT '\xff'\"}", nil, 400, "request"},
		"half a surrogate":       {"POST", "/v1/exec", `{"sql":"SELECT ?","args":["\ud800x"]}`, nil, 400, "request"},
		"unknown header":         {"POST", "/v1/exec", insert, []string{"Engine-Clas", "trade"}, 400, "request"},
		"unknown class":          {"POST", "/v1/exec", insert, []string{"Engine-Class", "vip"}, 400, "request"},
		"unknown durability":     {"POST", "/v1/exec", insert, []string{"Engine-Durability", "fsync"}, 400, "request"},
		"no time":                {"POST", "/v1/exec", insert, []string{"Engine-Timeout", "0s"}, 400, "request"},
		"too much time":          {"POST", "/v1/exec", insert, []string{"Engine-Timeout", "31s"}, 400, "request"},
		"name with secrets":      {"POST", "/v1/exec", insert, []string{"Engine-Name", "it's"}, 400, "request"},
		"rows beyond the limit":  {"POST", "/v1/query", `{"sql":"SELECT 1"}`, []string{"Engine-Max-Rows", "1000001"}, 400, "request"},
		"integers as floats":     {"POST", "/v1/query", `{"sql":"SELECT 1"}`, []string{"Engine-Integers", "float"}, 400, "request"},
		"accept":                 {"POST", "/v1/query", `{"sql":"SELECT 1"}`, []string{"Accept", "text/html"}, 406, "request"},
		"write by query":         {"POST", "/v1/query", insert, nil, 403, "read_only"},
		"write by query, rows":   {"POST", "/v1/query", `{"sql":"INSERT INTO t (v) VALUES (1) RETURNING id"}`, nil, 403, "read_only"},
		"pragma":                 {"POST", "/v1/exec", `{"sql":"PRAGMA journal_mode = DELETE"}`, nil, 403, "forbidden"},
		"attach":                 {"POST", "/v1/exec", `{"sql":"ATTACH 'other.db' AS other"}`, nil, 403, "forbidden"},
		"wrong SQL":              {"POST", "/v1/exec", `{"sql":"INSRT"}`, nil, 400, "sql"},
		"no such table":          {"POST", "/v1/query", `{"sql":"SELECT * FROM nothing"}`, nil, 400, "sql"},
		"argument missing":       {"POST", "/v1/query", `{"sql":"SELECT ?, ?","args":[1]}`, nil, 400, "args"},
		"constraint":             {"POST", "/v1/exec", `{"sql":"INSERT INTO t (v) VALUES (?)","args":["refused"]}`, nil, 409, "constraint"},
		"empty batch":            {"POST", "/v1/batch", `{"statements":[]}`, nil, 400, "request"},
		"no such session":        {"POST", "/v1/kill", `{"id":4711}`, nil, 404, "not_found"},
	} {
		got := send(t, b.request(t, c.method, c.path, c.body, c.headers...))
		p := got.problem(t)
		if got.status != c.status || p.Kind != c.kind {
			t.Errorf("%s: %d %s, want %d %s (%s)", name, got.status, p.Kind, c.status, c.kind, p.Message)
		}
		if strings.Contains(got.body, "secret\"]") || strings.Contains(got.body, b.token) || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered with %s", name, got.body)
		}
		if c.status == 405 && got.header.Get("Allow") == "" || c.status == 401 && got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: headers %v", name, got.header)
		}
	}
	if n := b.count(t, "true"); n != 0 {
		t.Errorf("%d rows were written by what was refused", n)
	}
	for _, host := range []string{"localhost", "127.0.0.1:9", "[::1]:7420", "LOCALHOST.", "db.example.com:443"} {
		if got := send(t, b.request(t, "GET", "/healthz", "", "Host", host)); got.status != 200 {
			t.Errorf("host %s: %d %s", host, got.status, got.body)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	if _, err := server.New(b.db, config.DefaultServer(), server.Token{}); err == nil {
		t.Error("a server without a token")
	}
	open := config.DefaultServer()
	open.Listen = "0.0.0.0:0"
	_, err := server.New(b.db, open, server.Token{})
	if !errors.Is(err, engine.ErrConfig) || !strings.Contains(err.Error(), "server.tls.cert") {
		t.Errorf("a server for everybody, without a certificate: %v", err)
	}
	if l, err := server.Listen(open); !errors.Is(err, engine.ErrConfig) {
		l.Close()
		t.Errorf("it listens: %v", err)
	}
}

// What is open to strangers says nothing but yes or no.
func TestProbes(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		got := send(t, b.request(t, "GET", path, "", "Authorization", ""))
		if got.status != 200 || !strings.HasPrefix(got.body, `{"ok":true`) || strings.Contains(got.body, "test.db") || strings.Contains(got.body, "detail") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := send(t, b.request(t, "GET", "/readyz", "")); !strings.Contains(got.body, "test.db") || !json.Valid([]byte(got.body)) {
		t.Errorf("with the token: %s", got.body)
	}
	if got := send(t, b.request(t, "HEAD", "/healthz", "")); got.status != 200 || got.body != "" {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
	b.db.Close() // a database that cannot answer
	deadline := time.Now().Add(10 * time.Second)
	for {
		ready, alive := send(t, b.request(t, "GET", "/readyz", "")), send(t, b.request(t, "GET", "/healthz", ""))
		if alive.status != 200 {
			t.Fatalf("the process is alive all the same: %d", alive.status)
		}
		if ready.status == 503 && strings.Contains(ready.body, `"ok":false`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still ready: %d %s", ready.status, ready.body)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A client that sends slowly is cut off, in its head and in its body.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) {
		c.Timeouts.Header, c.Timeouts.Read = 100*time.Millisecond, 300*time.Millisecond
	})
	head := "POST /v1/exec HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer " + b.token + "\r\nContent-Length: 100\r\n\r\n"
	for name, sent := range map[string]string{"head": head[:20], "body": head + `{"sql":`} {
		var answer []byte
		for deadline := time.Now().Add(20 * time.Second); ; {
			answer = b.slowly(t, sent)
			// Where this machine is as slow as such a client, even a whole head may come too late: then it was that, and the body is another try.
			if name == "head" || bytes.Contains(answer, []byte(" 408 ")) || time.Now().After(deadline) {
				break
			}
		}
		if name == "body" && !bytes.Contains(answer, []byte(" 408 ")) {
			t.Errorf("body: %q", answer)
		}
	}
}

// slowly sends the beginning of a request and waits until it is cut off.
func (b *bench) slowly(t *testing.T, sent string) []byte {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, sent) // where it is cut off by now, the answer says so
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection stays open: %v", err)
	}
	return answer
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Limits.Time = 200 * time.Millisecond })
	const forever = `{"sql":"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c"}`
	for _, headers := range [][]string{nil, {"Engine-Timeout", "50ms"}} {
		began := time.Now()
		got := b.post(t, "/v1/query", forever, headers...)
		if got.status != 504 || got.problem(t).Kind != "timeout" || time.Since(began) > 10*time.Second {
			t.Errorf("%v: %d %s after %v", headers, got.status, got.body, time.Since(began))
		}
	}
}
