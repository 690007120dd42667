package main

import (
	"encoding/hex"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/tidegate/engine/core/trace"
)

// key finds the span of an operation: its place in the trace, its name and its true times.
type key struct {
	trace, parent, name string
	start, end          uint64
}

func keyOf(o *trace.Operation) key {
	start := uint64(o.Start.UnixNano())
	return key{o.TraceID, o.ParentID, o.Name, start, start + uint64(o.Took)}
}

// TestDemoSpans: a demo's every operation, as its flight recorder has it, arrives at a collector as one span with the same parent, name, times,
// attributes and identity, decoded with the protocol's own types; and no span holds a value.
func TestDemoSpans(t *testing.T) {
	r := &receiver{spans: map[string]*otlp.Span{}}
	server := httptest.NewServer(r)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	file := filepath.Join(t.TempDir(), "ops.jsonl")
	must(t, "demo", "--sessions", "3", "--duration", "400ms", "--flight", file)
	ops, err := readOperations(file)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil || len(ops) < 100 || len(r.all) < len(ops) {
		t.Fatalf("error %v, %d operations, %d spans", r.failed, len(ops), len(r.all))
	}
	spans, ids := map[key][]*otlp.Span{}, map[string]int{}
	for _, s := range r.all {
		k := key{hex.EncodeToString(s.TraceId), hex.EncodeToString(s.ParentSpanId), s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano}
		spans[k] = append(spans[k], s)
		ids[string(s.SpanId)]++
	}
	kinds := map[string]int{}
	for i := range ops {
		o := &ops[i]
		kinds[o.Kind]++
		k := keyOf(o)
		found := spans[k]
		if len(found) == 0 {
			t.Fatalf("operation %d never arrived: %+v", i, o)
		}
		s := found[0]
		spans[k] = found[1:] // one span an operation
		compare(t, "production_trading.db", o, s)
		if o.ParentID != "" && ids[string(s.ParentSpanId)] != 1 {
			t.Errorf("the parent of %s arrived %d times", s.Name, ids[string(s.ParentSpanId)])
		}
	}
	for _, kind := range []string{"statement", "transaction", "commit"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%d spans have the identity %x", n, id)
		}
	}
	t.Logf("%d spans, %v", len(r.all), kinds)
}

// compare holds a span to its record.
func compare(t *testing.T, namespace string, o *trace.Operation, s *otlp.Span) {
	t.Helper()
	found := map[string]string{}
	for _, a := range s.Attributes {
		found[a.Key] = plain(a.Value)
	}
	want := map[string]string{"db.namespace": namespace, "db.system.name": "sqlite", "error.type": o.Error, "db.response.status_code": o.Status,
		"engine.group.id": shown(int64(o.Group)), "engine.queue.wait_us": shown(o.Queue.Microseconds())}
	kind := otlp.Span_SPAN_KIND_INTERNAL
	switch o.Kind {
	case "statement":
		kind = otlp.Span_SPAN_KIND_CLIENT
		want["db.query.text"], want["db.query.summary"], want["sqlite.fingerprint"] = o.Text, o.Name, o.Fingerprint
		want["engine.lane"], want["engine.class"], want["sqlite.vm_steps"] = o.Lane, o.Class, shown(o.Steps)
		if o.Returned > 0 {
			want["db.response.returned_rows"] = shown(o.Returned)
		}
		if o.Changed > 0 {
			want["sqlite.rows_changed"] = shown(o.Changed)
		}
	case "transaction":
		want["engine.tx.outcome"], want["engine.tx.hold_us"] = o.Outcome, shown(o.Hold.Microseconds())
		if o.Group != 0 && len(s.Links) == 0 {
			t.Errorf("%s has no link to its COMMIT", s.Name)
		}
	}
	if o.SpanID != "" && hex.EncodeToString(s.SpanId) != o.SpanID {
		t.Errorf("%s: span %x, recorded as %s", o.Name, s.SpanId, o.SpanID)
	}
	if s.Kind != kind || (s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR) != (o.Error != "") {
		t.Errorf("%s: kind %v, status %v, recorded %q", o.Name, s.Kind, s.Status, o.Error)
	}
	for k, v := range want {
		if found[k] != v {
			t.Errorf("%s: %s is %q, recorded %q", o.Name, k, found[k], v)
		}
	}
	if strings.ContainsAny(found["db.query.text"], "'0123456789") && !slices.ContainsFunc(strings.Fields(found["db.query.text"]), named) {
		t.Errorf("a literal is in %s", found["db.query.text"])
	}
}

// named reports whether a word of SQL holds digits as part of a name.
func named(word string) bool {
	i := strings.IndexAny(word, "0123456789")
	return i > 0 && (word[i-1] >= 'a' && word[i-1] <= 'z' || word[i-1] == '_' || word[i-1] == '?')
}

func shown(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func plain(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	}
	return v.GetStringValue()
}
