package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/engine"
)

// lines collects output that is written while others read it.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var serving = regexp.MustCompile(`address=(http://\S+) .*token_file=(\S+)`)

// waitServing returns the address and the token once the server says that it is there.
func waitServing(t *testing.T, stderr *lines) (url, token string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if m := serving.FindStringSubmatch(stderr.String()); m != nil {
			text, err := os.ReadFile(m[2])
			if err != nil {
				t.Fatal(err)
			}
			return m[1], strings.TrimSpace(string(text))
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not serve: %s", stderr)
		}
	}
}

// ask sends a request and returns status and body; status 0 means that there was no answer.
func ask(t *testing.T, method, url, token, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// The whole way: the trading schema is made, the API answers, spans of requests carry on the caller's trace, and the end is clean.
func TestServe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr lines
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--trace", "stdout", "--db", path, "--trading", "--listen", "127.0.0.1:0", "--set", "server.drain.delay=0s"}, &stdout, &stderr)
	}()
	url, token := waitServing(t, &stderr)
	if status, body := ask(t, "GET", url+"/readyz", "", ""); status != 200 {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, body := ask(t, "POST", url+"/v1/query", "wrong", `{"sql":"SELECT 1"}`); status != 401 {
		t.Errorf("without the token: %d %s", status, body)
	}
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	status, body := ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT count(*) FROM instruments"}`, "traceparent", "00-"+parent+"-00f067aa0ba902b7-01")
	if status != 200 || !strings.Contains(body, `"count":1`) {
		t.Errorf("query: %d %s", status, body)
	}
	stop()
	if c := <-code; c != exitOK {
		t.Errorf("exit code %d: %s", c, stderr.String())
	}
	if strings.Contains(stderr.String()+stdout.String(), token) {
		t.Error("the token is in the output")
	}
	if n := strings.Count(stdout.String(), `"TraceID": "`+parent); n < 2 || !strings.Contains(stdout.String(), `"Name": "POST /v1/query"`) {
		t.Errorf("%d spans in the caller's trace", n)
	}
	if o := must(t, "health", "--db", path); !strings.Contains(o.stdout, "ok") { // it let go of the file
		t.Errorf("%s", o.stdout)
	}
}

// The process is told to stop while clients write: what it acknowledged is in the database, and it ends with 0.
func TestServeTerminated(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM to send")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "t.db")
	must(t, "exec", "--create", "--db", path, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT")
	binary := build(t, dir)
	for round := range 3 {
		stderr := &lines{}
		cmd := exec.Command(binary, "serve", "--db", path, "--listen", "127.0.0.1:0", "--set", "server.drain.delay=50ms")
		cmd.Stderr = stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		url, token := waitServing(t, stderr)
		acknowledged := hammer(t, url, token, 1_000_000*(round+1), func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
		if err := cmd.Wait(); err != nil {
			t.Errorf("round %d: %v: %s", round, err, stderr)
		}
		db, err := engine.Open(t.Context(), engine.DefaultConfig(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range acknowledged {
			var there bool
			if err := db.QueryRow(t.Context(), "SELECT count(*) = 1 FROM t WHERE id = ?", id).Scan(&there); err != nil || !there {
				t.Errorf("round %d: %d was acknowledged and is lost (%v)", round, id, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d acknowledged", round, len(acknowledged))
	}
}

// hammer inserts ids from first on from several clients until the server is gone; enough is called once after a hundred. It returns the
// ids that were acknowledged.
func hammer(t *testing.T, url, token string, first int, enough func()) (acknowledged []int) {
	t.Helper()
	var (
		mu   sync.Mutex
		once sync.Once
		wg   sync.WaitGroup
	)
	const clients = 4
	for client := range clients {
		wg.Go(func() {
			for id := first + client; ; id += clients {
				status, body := ask(t, "POST", url+"/v1/exec", token, `{"sql":"INSERT INTO t VALUES (?)","args":[`+strconv.Itoa(id)+`]}`)
				if status == 0 {
					return
				}
				if status != 200 {
					t.Errorf("%d: %d %s", id, status, body)
					once.Do(enough)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				n := len(acknowledged)
				mu.Unlock()
				if n >= 100 {
					once.Do(enough)
				}
			}
		})
	}
	wg.Wait()
	return acknowledged
}

// What cannot work is refused before the database is touched.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	readable := filepath.Join(dir, "readable")
	if err := os.WriteFile(readable, []byte(strings.Repeat("x", 64)), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "never.db")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"open to all":      {[]string{"--listen", "0.0.0.0:7420"}, exitError, "server.tls.cert"},
		"port in use":      {[]string{"--listen", busy.Addr().String()}, exitError, "in use"},
		"unknown setting":  {[]string{"--set", "server.listn=x"}, exitError, "did you mean server.listen?"},
		"wrong unit":       {[]string{"--set", "server.limits.time=5"}, exitError, "--set: server.limits.time: "},
		"positional":       {[]string{"7420"}, exitUsage, "no arguments"},
		"token for others": {[]string{"--listen", "127.0.0.1:0", "--token-file", readable}, exitError, "chmod 600"},
	} {
		if name == "token for others" && runtime.GOOS == "windows" || name == "port in use" && runtime.GOOS == "windows" {
			continue
		}
		o := program(t, append([]string{"serve", "--db", path}, c.args...)...)
		if o.code != c.code || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: code %d, %s", name, o.code, o.stderr)
		}
	}
	if o := program(t, "serve", "--db", "sqlite://", "--listen", "127.0.0.1:0"); o.code != exitError || !strings.Contains(o.stderr, "--token-file") {
		t.Errorf("in memory, no token file: code %d, %s", o.code, o.stderr)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the database was made all the same")
	}
}

// A server that could not open its database leaves nothing behind, and an older token alone.
func TestServeLeavesNoToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "text.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(token string) {
		t.Helper()
		if o := program(t, "serve", "--db", path, "--listen", "127.0.0.1:0", "--token-file", token); o.code != exitError || !strings.Contains(o.stderr, "database") {
			t.Errorf("code %d, %s", o.code, o.stderr)
		}
	}
	fresh, old := filepath.Join(dir, "fresh"), filepath.Join(dir, "old")
	const kept = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if err := os.WriteFile(old, []byte(kept), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := program(t, "serve", "--db", filepath.Join(dir, "none", "x.db"), "--listen", "127.0.0.1:0"); o.code != exitError || !strings.Contains(o.stderr, "none is missing") {
		t.Errorf("missing directory: code %d, %s", o.code, o.stderr)
	}
	serve(fresh)
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a token was left behind")
	}
	serve(old)
	if got, err := os.ReadFile(old); string(got) != kept {
		t.Errorf("the older token is %q (%v)", got, err)
	}
}

// systemd is told when requests are answered.
func TestServeNotifies(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	dir, err := os.MkdirTemp("", "notify") // t.TempDir is too long for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := notify(path, "READY=1"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	_ = l.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := l.Read(got); err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("%q %v", got[:n], err)
	}
	if notify("", "READY=1") != nil || notify(filepath.Join(dir, "none"), "READY=1") == nil {
		t.Error("nobody there: no error wanted; somebody who is gone: one wanted")
	}
}
