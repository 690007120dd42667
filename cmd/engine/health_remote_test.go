package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// served runs engine serve on a database until the test ends, and returns its address.
func served(t *testing.T, path string, flags ...string) (address string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var stdout, stderr lines
	code := make(chan int, 1)
	args := append([]string{"serve", "--db", path, "--listen", "127.0.0.1:0", "--set", "server.drain.delay=0s"}, flags...)
	go func() { code <- run(ctx, args, &stdout, &stderr) }()
	t.Cleanup(func() {
		stop()
		if c := <-code; c != exitOK {
			t.Errorf("engine serve ended with %d: %s", c, &stderr)
		}
	})
	url, _ := waitServing(t, &stderr)
	return strings.TrimPrefix(url, "http://")
}

// TestHealthAsksTheServer: where a server runs on the database it is asked, whether it is named or found; warnings are told apart from failures.
func TestHealthAsksTheServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	address := served(t, path)
	for name, args := range map[string][]string{"named": {"--server", address}, "found": {"--set", "server.listen=" + address}} {
		o := must(t, append([]string{"health", "--db", path}, args...)...)
		if !strings.Contains(o.stdout, "ok, says engine serve on "+address) || !strings.Contains(o.stdout, "\nsnapshot ") || !strings.Contains(o.stdout, "\ndisk ") {
			t.Errorf("%s: %+v", name, o)
		}
	}
	var r healthReport
	if err := json.Unmarshal([]byte(must(t, "health", "--db", path, "--server", address, "--json").stdout), &r); err != nil || !r.OK || !r.Ready || r.Level != "ok" || len(r.Checks) < 14 || len(r.Breakers) != 3 {
		t.Errorf("%v: %+v", err, r)
	}
	for name, args := range map[string][]string{"local": {"--local", "--set", "server.listen=" + address}, "nobody listens": {"--set", "server.listen=127.0.0.1:1"}} {
		if o := must(t, append([]string{"health", "--db", path}, args...)...); !strings.Contains(o.stdout, "says this program") {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// TestHealthOfAServerThatWarns: the exit code says that something is wrong, and the probe that work can come.
func TestHealthOfAServerThatWarns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "full.db")
	address := served(t, path, "--set", "health.disk_free=1000000GiB")
	o := program(t, "health", "--db", path, "--server", address)
	if o.code != exitError || !strings.Contains(o.stdout, "WARNING") || strings.Contains(o.stdout, "FAILED") || !strings.Contains(o.stdout, "degraded, says engine serve") {
		t.Errorf("%+v", o)
	}
	status, body := ask(t, "GET", "http://"+address+"/readyz", "", "")
	if status != http.StatusOK || !strings.Contains(body, `"ready":true`) || !strings.Contains(body, `{"name":"disk","ok":false,"ready":true}`) {
		t.Errorf("readyz: %d %s", status, body)
	}
}

// TestHealthOfOtherServers: what another database's server says is not said of this one, and a server that was named has to answer.
func TestHealthOfOtherServers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other, mine := filepath.Join(dir, "other.db"), filepath.Join(dir, "mine.db")
	address := served(t, other)
	must(t, "exec", "--create", "--db", mine, "CREATE TABLE t (a)")
	if err := os.WriteFile(mine+".token", []byte(strings.Repeat("x", 43)), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := must(t, "health", "--db", mine, "--set", "server.listen="+address); !strings.Contains(o.stdout, "says this program") || !strings.Contains(o.stdout, "mine.db") {
		t.Errorf("found, but of another database: %+v", o)
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	defer stranger.Close()
	stopping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(`{"ok":false,"ready":false,"draining":true,"level":"degraded"}`))
	}))
	defer stopping.Close()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(`{"ok":false,"ready":false,"level":"down","checks":[{"name":"read","ok":false,"ready":false,"detail":"disk I/O error","remedy":"see the error"}]}`))
	}))
	defer down.Close()
	for name, c := range map[string]struct {
		server string
		code   int
		said   string
	}{
		"nobody":       {"127.0.0.1:1", exitDown, "no server answers on 127.0.0.1:1"},
		"another's":    {address, exitDown, "refused the token"},
		"no server":    {strings.TrimPrefix(stranger.URL, "http://"), exitDown, "is no `engine serve`"},
		"about to end": {strings.TrimPrefix(stopping.URL, "http://"), exitError, "is about to stop"},
		"down":         {strings.TrimPrefix(down.URL, "http://"), exitDown, "disk I/O error"},
	} {
		if o := program(t, "health", "--db", mine, "--server", c.server); o.code != c.code || !strings.Contains(o.stdout+o.stderr, c.said) {
			t.Errorf("%s: %+v", name, o)
		}
	}
	for _, args := range [][]string{{"--local", "--server", address}, {"--reset", "--server", address}, {"--timeout", "-1s"}, {"now"}} {
		if o := program(t, append([]string{"health", "--db", mine}, args...)...); o.code != exitUsage || o.stdout != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
