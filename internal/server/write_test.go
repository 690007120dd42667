package server_test

import (
	"strings"
	"testing"
)

func TestExec(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, c := range []struct{ body, want string }{
		{`{"sql":"INSERT INTO t (id, v) VALUES (?, ?)","args":[7,"x"]}`, `{"rows_affected":1,"last_insert_id":7}`},
		{`{"sql":"INSERT INTO t (id) VALUES (9007199254740993)"}`, `{"rows_affected":1,"last_insert_id":"9007199254740993"}`},
		{`{"sql":"INSERT INTO t (id, v) VALUES (8, :v) RETURNING id, v","args":{"v":1.0},"rows":true}`,
			`{"rows_affected":1,"last_insert_id":8,"columns":["id","v"],"rows":[[8,1.0]],"count":1}`},
		{`{"sql":"UPDATE t SET v = 2 WHERE id < 9","expect":2}`, `{"rows_affected":2,`},
		{`{"sql":"DELETE FROM t WHERE id > 100","at_most":1,"at_least":1}`, `{"rows_affected":1,`},
	} {
		got := b.post(t, "/v1/exec", c.body, "Engine-Class", "trade", "Engine-Durability", "relaxed", "Engine-Name", "desk 7")
		if got.status != 200 || !strings.HasPrefix(got.body, c.want) {
			t.Errorf("%s: %d %s, want %s", c.body, got.status, got.body, c.want)
		}
	}
	got := b.post(t, "/v1/exec", `{"sql":"DELETE FROM t","expect":1}`)
	if p := got.problem(t); got.status != 409 || p.Kind != "expectation" || p.Statement != 0 {
		t.Errorf("%d %+v", got.status, p)
	}
	if n := b.count(t, "v = 2"); n != 2 {
		t.Errorf("%d rows are left, want 2", n)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	got := b.post(t, "/v1/batch", `{"statements":[
		{"sql":"INSERT INTO t VALUES (1, 10), (2, 20)"},
		{"sql":"UPDATE t SET v = v + ? WHERE id = ?","args":[5,1],"expect":1},
		{"sql":"SELECT v FROM t ORDER BY id","rows":true}]}`)
	if got.status != 200 || !strings.Contains(strings.ReplaceAll(got.body, "\n", ""), `"columns":["v"],"rows":[[15],[20]],"count":2}]}`) || strings.Count(got.body, "rows_affected") != 3 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for name, c := range map[string]struct {
		body, kind string
		status     int
		statement  int
	}{
		"constraint":  {`[{"sql":"INSERT INTO t (v) VALUES (1)"},{"sql":"INSERT INTO t (v) VALUES ('refused')"}]`, "constraint", 409, 2},
		"expectation": {`[{"sql":"INSERT INTO t (v) VALUES (1)"},{"sql":"DELETE FROM t","expect":1}]`, "expectation", 409, 2},
		"wrong SQL":   {`[{"sql":"INSERT INTO t (v) VALUES (1)"},{"sql":"SELEC"}]`, "sql", 400, 2},
		"transaction": {`[{"sql":"INSERT INTO t (v) VALUES (1)"},{"sql":"COMMIT"}]`, "forbidden", 403, 2},
		"argument":    {`[{"sql":"INSERT INTO t (v) VALUES (1)"},{"sql":"SELECT ?","args":[[]]}]`, "request", 400, 2},
		"no text":     {`[{"sql":"INSERT INTO t (v) VALUES (1)"},{}]`, "request", 400, 2},
		"wrong type":  {`{"sql":"INSERT INTO t (v) VALUES (1)"}`, "request", 400, 0},
	} {
		got := b.post(t, "/v1/batch", `{"statements":`+c.body+`}`)
		if p := got.problem(t); got.status != c.status || p.Kind != c.kind || p.Statement != c.statement {
			t.Errorf("%s: %d %+v", name, got.status, p)
		}
	}
	if n := b.count(t, "true"); n != 2 {
		t.Errorf("%d rows: a batch that failed left something", n)
	}
	many := strings.Repeat(`{"sql":"SELECT 1"},`, 1000) + `{"sql":"SELECT 1"}`
	if got := b.post(t, "/v1/batch", `{"statements":[`+many+`]}`); got.status != 413 || got.problem(t).Kind != "too_big" {
		t.Errorf("1001 statements: %d %s", got.status, got.body)
	}
}

// What is under way can be seen, without its values, and ended.
func TestSessionsAndKill(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	done := make(chan response, 1)
	r := b.request(t, "POST", "/v1/query", `{"sql":"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c WHERE i < 'secret'"}`, "Engine-Name", "endless")
	go func() { done <- send(t, r) }()
	id := ""
	until(t, "the query is listed", func() bool {
		got := send(t, b.request(t, "GET", "/v1/sessions", "")).body
		if strings.Contains(got, "secret") {
			t.Fatalf("a literal is shown: %s", got)
		}
		_, rest, found := strings.Cut(got, `{"id":`)
		for found && !strings.Contains(rest[:strings.IndexByte(rest, '}')], `"name":"endless"`) {
			_, rest, found = strings.Cut(rest, `{"id":`)
		}
		id, _, _ = strings.Cut(rest, ",")
		return found && id != "0"
	})
	if got := b.post(t, "/v1/kill", `{"id":`+id+`}`); got.status != 200 {
		t.Fatalf("kill %s: %d %s", id, got.status, got.body)
	}
	until(t, "it is gone", func() bool { // one that was just between two steps needs a second blow
		return b.post(t, "/v1/kill", `{"id":`+id+`}`).status == 404
	})
	if got := <-done; got.problem(t).Kind != "killed" || got.status != 503 {
		t.Errorf("the killed query: %d %s", got.status, got.body)
	}
}
