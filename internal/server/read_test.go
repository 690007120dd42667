package server_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/config"
)

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// counting is a query of n rows of about a hundred bytes.
func counting(n string) string {
	return `{"sql":"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < ` + n + `) SELECT i, printf('%100d', i) AS text FROM c"}`
}

// large is a query of n rows of ten kilobytes: much to send, and little work to make.
func large(n string) string {
	return `{"sql":"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < ` + n + `) SELECT i, printf('%10000d', i) AS text FROM c"}`
}

// An answer is whole and in order, as a document and line by line, whether it fits the buffer or not.
func TestAnswers(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, n := range []string{"1", "20", "20000"} {
		a := b.post(t, "/v1/query", counting(n)).answer(t)
		if a.Count == nil || string(mustJSON(t, *a.Count)) != n || len(a.Rows) != *a.Count || a.Columns[1] != "text" {
			t.Fatalf("%s rows: count %v, %d rows", n, a.Count, len(a.Rows))
		}
		if last := string(a.Rows[len(a.Rows)-1][0]); last != n {
			t.Errorf("the last of %s rows is %s", n, last)
		}
		got := b.post(t, "/v1/query", counting(n), "Accept", "text/plain;q=0.1, application/x-ndjson")
		lines := strings.Split(strings.TrimSuffix(got.body, "\n"), "\n")
		if got.header.Get("Content-Type") != "application/x-ndjson" || lines[0] != `{"columns":["i","text"],"types":["",""]}` {
			t.Errorf("%v %s", got.header, lines[0])
		}
		if end := lines[len(lines)-1]; end != `{"end":{"rows":`+n+`}}` || len(lines) != *a.Count+2 {
			t.Errorf("%d lines, the last is %s", len(lines), end)
		}
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Fatalf("a line that is not JSON: %q", line)
			}
		}
	}
	if a := b.post(t, "/v1/query", `{"sql":"SELECT id FROM t"}`).answer(t); len(a.Rows) != 0 || *a.Count != 0 || a.Types[0] != "INTEGER" {
		t.Errorf("no rows: %+v", a)
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An answer that fails in its midst cannot be taken for a whole one.
func TestFailureInMidst(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	const overflow = `{"sql":"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 9000) SELECT printf('%100d', abs(CASE i WHEN 8000 THEN -9223372036854775808 ELSE i END)) FROM c"}`
	a := b.post(t, "/v1/query", overflow).answer(t)
	if a.Error == nil || a.Error.Kind != "sql" || a.Count != nil || len(a.Rows) < 2000 || len(a.Rows) >= 8000 {
		t.Errorf("document: error %+v, count %v, %d rows", a.Error, a.Count, len(a.Rows))
	}
	got := b.post(t, "/v1/query", overflow, "Accept", "application/x-ndjson")
	lines := strings.Split(strings.TrimSuffix(got.body, "\n"), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"error":{"kind":"sql"`) || strings.Contains(got.body, `"end"`) {
		t.Errorf("the last line is %s", last)
	}
	// Where nothing has been sent yet, the status says it.
	early := b.post(t, "/v1/query", strings.ReplaceAll(overflow, "8000", "80"))
	if early.status != 400 || early.problem(t).Kind != "sql" {
		t.Errorf("early: %d %.100s", early.status, early.body)
	}
}

func TestRowLimit(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Limits.Rows = 5000 })
	if got := b.post(t, "/v1/query", counting("5001")); got.status != 200 || got.answer(t).Error == nil || got.answer(t).Error.Kind != "too_many_rows" || len(got.answer(t).Rows) != 5000 && got.answer(t).Count != nil {
		t.Errorf("a long answer: %d %+v", got.status, got.answer(t).Error)
	}
	if got := b.post(t, "/v1/query", counting("11"), "Engine-Max-Rows", "10"); got.status != 413 || got.problem(t).Kind != "too_many_rows" {
		t.Errorf("a short answer: %d %s", got.status, got.body)
	}
	if got := b.post(t, "/v1/query", counting("10"), "Engine-Max-Rows", "10"); got.status != 200 || *got.answer(t).Count != 10 {
		t.Errorf("just enough: %d", got.status)
	}
}

// stall asks for an endless answer, reads its head, and then reads no more.
func (b *bench) stall(t testing.TB, headers string) (net.Conn, *http.Response) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(4096)
	body := large("100000000")
	_, err = io.WriteString(c, "POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "+b.token+"\r\n"+
		headers+"Content-Length: "+string(mustJSON(t, len(body)))+"\r\n\r\n"+body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, res
}

// Only so many large answers of a class are sent at once; the next is refused with a time to come back, small answers and other
// classes have their places, and a reader that does not read loses its place when its piece is overdue.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) {
		c.Limits.Streams, c.Limits.Rows, c.Timeouts.Write = 2, 1_000_000_000, 3*time.Second
	})
	for i := range 2 {
		if _, res := b.stall(t, ""); res.StatusCode != 200 {
			t.Fatalf("stream %d: %d", i, res.StatusCode)
		}
	}
	refused := b.post(t, "/v1/query", counting("20000"))
	if p := refused.problem(t); refused.status != 503 || p.Kind != "overloaded" || p.RetryAfterMS == 0 || refused.header.Get("Retry-After") != "1" {
		t.Errorf("one too many: %d %+v %v", refused.status, p, refused.header)
	}
	if got := b.post(t, "/v1/query", counting("20")); got.status != 200 {
		t.Errorf("a small answer: %d %s", got.status, got.body)
	}
	if got := b.post(t, "/v1/query", counting("20000"), "Engine-Class", "trade"); got.status != 200 {
		t.Errorf("another class: %d %s", got.status, got.body)
	}
	until(t, "the slow readers are cut off and their places free", func() bool {
		return b.post(t, "/v1/query", counting("20000")).status == 200
	})
}

func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *config.Server) { c.Limits.Requests = 1 })
	_, res := b.stall(t, "Engine-Class: signal\r\n")
	if res.StatusCode != 200 {
		t.Fatal(res.StatusCode)
	}
	const one = `{"sql":"SELECT 1"}`
	if got := b.post(t, "/v1/query", one, "Engine-Class", "signal"); got.status != 503 || got.problem(t).Kind != "overloaded" {
		t.Errorf("the same class: %d %s", got.status, got.body)
	}
	if got := b.post(t, "/v1/query", one); got.status != 200 {
		t.Errorf("another class: %d %s", got.status, got.body)
	}
}
