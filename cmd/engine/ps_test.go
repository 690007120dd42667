package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// startServer starts engine serve on a new database with a table t, and returns the flags that lead to it, its URL and its token.
func startServer(t *testing.T, args ...string) (find []string, url, token string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "desk.db")
	must(t, "exec", "--create", "--db", path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
	ctx, stop := context.WithCancel(context.Background())
	var stdout, stderr lines
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"serve", "--db", path, "--listen", "127.0.0.1:0", "--set", "server.drain.delay=0s", "--set", "server.drain.time=1ms"}, args...), &stdout, &stderr)
	}()
	t.Cleanup(func() {
		stop()
		<-code
	})
	url, token = waitServing(t, &stderr)
	return []string{"--db", path, "--server", strings.TrimPrefix(url, "http://")}, url, token
}

// reply is an answer that comes later.
type reply struct {
	status int
	body   string
}

// send sends a request of which the answer is not waited for.
func send(t *testing.T, url, token, path, body string) chan reply {
	t.Helper()
	got := make(chan reply, 1)
	go func() {
		status, text := ask(t, "POST", url+path, token, body)
		got <- reply{status, text}
	}()
	return got
}

// listed waits until engine ps lists a session with that text in its line, and returns the line.
func listed(t *testing.T, find []string, text string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		o := must(t, append([]string{"ps"}, find...)...)
		for line := range strings.SplitSeq(o.stdout, "\n") {
			if strings.Contains(line, text) {
				return line
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no session with %q:\n%s", text, o.stdout)
		}
	}
}

const endlessQuery = `{"sql":"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c WHERE 'a secret' <> i"}`
const endlessInsert = `{"sql":"INSERT INTO t (v) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT 'a secret' FROM c"}`

// What runs in a server is listed with its literals masked, and what waits for the writer as well; a kill ends what was meant and nothing
// else, and nothing of it is applied.
func TestPsAndKill(t *testing.T) {
	t.Parallel()
	find, url, token := startServer(t, "--set", "writer.queue_timeout=1m", "--set", "writer.statement_time=1m") // what waits here does so until it is told otherwise
	if o := must(t, append([]string{"ps"}, find...)...); strings.Count(o.stdout, "\n") != 2 || !strings.HasPrefix(o.stdout, "id  lane  class  name  state  age  query\n") {
		t.Errorf("nothing is under way: %q", o.stdout)
	}
	if o := must(t, append([]string{"ps", "--json"}, find...)...); o.stdout != "{\"sessions\":[]}\n" {
		t.Errorf("nothing is under way: %q", o.stdout)
	}
	query := send(t, url, token, "/v1/query", endlessQuery)
	insert := send(t, url, token, "/v1/exec", endlessInsert)
	reader, writer := listed(t, find, "SELECT count(*) FROM c"), listed(t, find, "INSERT INTO t")
	for line, lane := range map[string]string{reader: "reader", writer: "writer"} {
		if f := regexp.MustCompile(`\s{2,}`).Split(strings.TrimSpace(line), -1); len(f) != 7 || f[1] != lane || f[2] != "normal" || f[4] != "running" && f[4] != "idle" || strings.Contains(line, "secret") {
			t.Errorf("listed as %q", line)
		}
	}
	waiting := send(t, url, token, "/v1/exec", `{"sql":"INSERT INTO t (v) VALUES ('waits')"}`)
	if line := listed(t, find, "waiting"); !strings.HasPrefix(line, "-") || !strings.Contains(line, "writer") {
		t.Errorf("the one that waits: %q", line)
	}
	var list sessionList
	o := must(t, append([]string{"ps", "--json"}, find...)...)
	if err := json.Unmarshal([]byte(o.stdout), &list); err != nil || len(list.Sessions) != 3 || strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("%d sessions, %v: %s", len(list.Sessions), err, o.stdout)
	}
	id := strings.Fields(writer)[0]
	if o := must(t, append([]string{"kill", id}, find...)...); o.stdout != "killed "+id+"\n" {
		t.Errorf("kill: %q", o.stdout)
	}
	if r := <-insert; r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, `"killed"`) {
		t.Errorf("the one that was killed: %d %s", r.status, r.body)
	}
	if r := <-waiting; r.status != http.StatusOK {
		t.Errorf("the one that waited: %d %s", r.status, r.body)
	}
	if status, body := ask(t, "POST", url+"/v1/query", token, `{"sql":"SELECT count(*) FROM t"}`); status != 200 || !strings.Contains(body, "[1]") {
		t.Errorf("something of it was applied: %d %s", status, body)
	}
	select {
	case r := <-query:
		t.Errorf("the other was ended, too: %d %s", r.status, r.body)
	default:
	}
	id = strings.Fields(reader)[0]
	o = program(t, append([]string{"kill", "999999", id}, find...)...)
	if o.code != exitError || o.stdout != "killed "+id+"\n" || !strings.Contains(o.stderr, "no session 999999") {
		t.Errorf("kill of one that is not there and one that is: code %d, %q, %q", o.code, o.stdout, o.stderr)
	}
	if r := <-query; r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, `"killed"`) {
		t.Errorf("the query that was killed: %d %s", r.status, r.body)
	}
}

func TestPsWatch(t *testing.T) {
	t.Parallel()
	find, _, _ := startServer(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr lines
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"ps", "--watch", "--interval", "1ms", "--json"}, find...), &stdout, &stderr)
	}()
	for deadline := time.Now().Add(30 * time.Second); strings.Count(stdout.String(), "\n") < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not look again: %q, %q", stdout.String(), stderr.String())
		}
	}
	stop()
	if c := <-code; c != exitOK || stderr.String() != "" {
		t.Errorf("code %d, stderr %q", c, stderr.String())
	}
	if !regexp.MustCompile(`^(\{"sessions":\[\]\}\n)+$`).MatchString(stdout.String()) {
		t.Errorf("%q", stdout.String())
	}
}

// A server is found by the settings that it was started with, a socket among them.
func TestPsOverASocket(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("sockets of the file system are for Unix")
	}
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "desk.db"), "unix:"+filepath.Join(dir, "s")
	must(t, "exec", "--create", "--db", path, "CREATE TABLE t (a)")
	ctx, stop := context.WithCancel(t.Context())
	var stdout, stderr lines
	code := make(chan int, 1)
	common := []string{"--db", path, "--set", "server.listen=" + socket, "--set", "server.drain.delay=0s"}
	go func() { code <- run(ctx, append([]string{"serve"}, common...), &stdout, &stderr) }()
	defer func() {
		stop()
		<-code
	}()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(stderr.String(), "msg=serving"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not serve: %s", stderr.String())
		}
	}
	if o := must(t, append([]string{"ps", "--json"}, common...)...); o.stdout != "{\"sessions\":[]}\n" {
		t.Errorf("%q", o.stdout)
	}
}

func TestPsFindsNoServer(t *testing.T) {
	t.Parallel()
	find, url, token := startServer(t)
	path := find[1]
	other := filepath.Join(t.TempDir(), "other.token")
	must(t, "exec", "--create", "--db", path+".2", "CREATE TABLE t (a)")
	if err := os.WriteFile(other, []byte(strings.Repeat("0", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	seen := make(chan string, 10)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		if r.URL.Path == "/v1/sessions" {
			http.Redirect(w, r, url+"/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	defer stranger.Close()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--db", path + ".2"}, "does `engine serve` run on this database"},
		{[]string{"--db", path, "--server", nobody}, "start one with `engine serve`"},
		{[]string{"--db", path, "--server", find[3], "--token-file", other}, "refused the token"},
		{[]string{"--db", path, "--server", strings.TrimPrefix(stranger.URL, "http://")}, "is no `engine serve`"},
		{[]string{"--db", path, "--server", "192.0.2.1:7420"}, "travel in the clear"},
	} {
		for _, verb := range [][]string{{"ps"}, {"kill", "1"}} {
			o := program(t, append(verb, c.args...)...)
			if o.code != exitError || !strings.Contains(o.stderr, c.says) && (verb[0] == "ps" || !strings.Contains(o.stderr, "is no `engine serve`")) || strings.Contains(o.stderr, token) {
				t.Errorf("%s %q: code %d, stderr %q; want %q", verb, c.args, o.code, o.stderr, c.says)
			}
		}
	}
	if n := len(seen); n != 2 {
		t.Errorf("the stranger was asked %d times: a redirection was followed", n)
	}
}

func TestPsMisuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"ps now", "no arguments"}, {"ps --interval 0s", "--interval"}, {"kill", "wants the id"}, {"kill x", "is no id"}, {"kill 0", "is no id"}, {"kill -- -1", "is no id"},
	} {
		if o := program(t, strings.Fields(c.args)...); o.code != exitUsage || !strings.Contains(o.stderr, c.says) {
			t.Errorf("engine %s: code %d, stderr %q", c.args, o.code, o.stderr)
		}
	}
}
