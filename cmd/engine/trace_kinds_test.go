package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/migrate"
	"github.com/tidegate/engine/plugins"
	"github.com/tidegate/engine/plugins/wasm"
	"github.com/tidegate/engine/plugins/wasm/wasmtest"
)

const spannedRule = `name: desk
version: 1.0.0
abi: 1
module: desk.wasm
sha256: %x
hooks:
  - {on: validate, table: trades, columns: [id, symbol, qty]}
limits: {deadline: 10s, memory_pages: 64, fuel: 5000000}
`

// watched is an engine with a migration and a guest's rule, whose spans and those of its caller go to one collector.
type watched struct {
	db       *engine.DB
	receiver *receiver
	ctx      context.Context // below the span "caller"
	tracer   oteltrace.Tracer
	leave    func() // ends the span and waits until all spans have arrived
	began    time.Time
}

func openWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{receiver: &receiver{spans: map[string]*otlp.Span{}}, began: time.Now()}
	server := httptest.NewServer(w.receiver)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	exporter, err := newExporter(t.Context(), "otlp", nil)
	if err != nil {
		t.Fatal(err)
	}
	provider, described, err := newProvider(t.Context(), exporter)
	if err != nil {
		t.Fatal(err)
	}
	w.tracer = provider.Tracer("test")
	var root oteltrace.Span
	w.ctx, root = w.tracer.Start(t.Context(), "caller")
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "kinds.db"))
	cfg.Trace.Sink, cfg.Trace.Slow.Plugin = newSpanSink(exporter, described), time.Nanosecond
	files := fstest.MapFS{"0001_trades.sql": {Data: []byte("-- migration: trades\n-- +up\nCREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT, qty INTEGER) STRICT;\n-- +down\nDROP TABLE trades;\n")}}
	sum, err := migrate.Sum(files)
	if err != nil {
		t.Fatal(err)
	}
	files["engine.sum"] = &fstest.MapFile{Data: sum}
	cfg.Migrations = files
	cfg.Rules.Source = deskRegistry(t)
	if w.db, err = engine.Open(w.ctx, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	w.leave = func() {
		root.End()
		if err := errors.Join(w.db.Trace().Flush(t.Context()), provider.Shutdown(t.Context()), exporter.failure()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// deskRegistry has the rule of a guest in service: quantities below one are rejected, the symbol WARN is warned of, PANIC makes it fail.
func deskRegistry(t *testing.T) *plugins.Registry {
	t.Helper()
	cache := t.TempDir()
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	host, err := wasm.New(wasm.Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	module := wasmtest.Go(t, filepath.Join("..", "..", "plugins", "wasm", "testdata", "desk"))
	m, err := plugins.ParseManifest(fmt.Appendf(nil, spannedRule, sha256.Sum256(module)))
	if err != nil {
		t.Fatal(err)
	}
	r := plugins.NewRegistry(plugins.Options{Hosts: map[string]plugins.Host{"wasm": host}})
	t.Cleanup(r.Close)
	if _, err := r.Load(t.Context(), m, module); err != nil {
		t.Fatal(err)
	}
	return r
}

// work does one thing of each kind.
func (w *watched) work(t *testing.T) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	insert := func(name, symbol string, qty int) error {
		return w.db.Update(w.ctx, func(ctx context.Context, tx *engine.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO trades (symbol, qty) VALUES (?, ?)", symbol, qty)
			return err
		}, engine.WithName(name))
	}
	check(insert("fine", "A", 815))
	check(insert("watched", "WARN", 816))
	if err := insert("refused", "A", -817); !errors.Is(err, engine.ErrRejected) {
		t.Fatal(err)
	}
	if err := insert("broken", "PANIC", 818); !errors.Is(err, engine.ErrRuleFault) {
		t.Fatal(err)
	}
	b := engine.NewBatch()
	b.Exec("INSERT INTO trades (symbol, qty) VALUES ('B', 819)")
	b.Query("SELECT count(*) FROM trades")
	_, err := w.db.Batch(w.ctx, b, engine.WithName("book"))
	check(err)
	var n int
	check(w.db.View(w.ctx, func(ctx context.Context, tx *engine.Tx) error {
		_, own := w.tracer.Start(ctx, "the caller's own")
		own.End()
		return tx.QueryRow(ctx, "SELECT sum(qty) FROM trades").Scan(&n)
	}, engine.WithName("report")))
	std := w.db.SQL()
	tx, err := std.BeginTx(w.ctx, nil)
	check(err)
	_, err = tx.ExecContext(w.ctx, "UPDATE trades SET qty = qty + 1 WHERE symbol = ?", "B")
	check(err)
	check(tx.Commit())
	check(std.Close())
	unsampled := oteltrace.ContextWithSpanContext(t.Context(), unsampledParent())
	if _, err := w.db.Exec(unsampled, "INSERT INTO trades (id, symbol, qty) VALUES (1, 'A', 820)"); !errors.Is(err, engine.ErrConstraint) {
		t.Fatal(err)
	}
	_, err = w.db.Exec(unsampled, "DELETE FROM trades WHERE id = 999")
	check(err)
	w.leave()
}

func unsampledParent() oteltrace.SpanContext {
	return oteltrace.NewSpanContext(oteltrace.SpanContextConfig{TraceID: oteltrace.TraceID{0xab}, SpanID: oteltrace.SpanID{0xcd}})
}

// named is the only span of that name.
func (w *watched) named(t *testing.T, name string) *otlp.Span {
	t.Helper()
	var found []*otlp.Span
	for _, s := range w.receiver.all {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans named %q", len(found), name)
	}
	return found[0]
}

// TestEveryKindOfSpan: a migration, transactions of every kind, what a guest's rule had to say, its calls, and what failed below a caller that is not
// sampled arrive at a collector as the flight recorder has them, each in its place.
func TestEveryKindOfSpan(t *testing.T) {
	w := openWatched(t)
	w.work(t)
	ended := time.Now()
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	if w.receiver.failed != nil {
		t.Fatal(w.receiver.failed)
	}
	kinds, missing := w.compareAll(t)
	for _, kind := range []string{"statement", "transaction", "commit", "plugin", "work"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	if missing != 2 {
		t.Errorf("%d operations did not arrive, want two: what was fast and well below a caller that is not sampled, and its COMMIT", missing)
	}
	for _, s := range w.receiver.all {
		if s.StartTimeUnixNano < uint64(w.began.UnixNano()) || s.EndTimeUnixNano < s.StartTimeUnixNano || s.EndTimeUnixNano > uint64(ended.UnixNano()) {
			t.Errorf("%s: from %d to %d", s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
		for _, a := range attributesOf(s) {
			if strings.HasPrefix(a, "db.query.text=") && (strings.Contains(a, "81") || strings.Contains(a, "820")) {
				t.Errorf("a value is in %s", a)
			}
		}
	}
	w.places(t)
	w.spoken(t)
	t.Logf("%d spans, %v", len(w.receiver.all), kinds)
}

func attributesOf(s *otlp.Span) (list []string) {
	for _, a := range s.Attributes {
		list = append(list, a.Key+"="+plain(a.Value))
	}
	return list
}

// compareAll holds every record to its span, and counts the records by kind and those that have none.
func (w *watched) compareAll(t *testing.T) (kinds map[string]int, missing int) {
	t.Helper()
	kinds = map[string]int{}
	for o := range w.db.Trace().Last(0) {
		kinds[o.Kind]++
		i := slices.IndexFunc(w.receiver.all, func(s *otlp.Span) bool {
			return s.Name == o.Name && s.StartTimeUnixNano == uint64(o.Start.UnixNano()) && s.EndTimeUnixNano == uint64(o.Start.UnixNano())+uint64(o.Took)
		})
		if i < 0 {
			missing++
			if o.Sampled || o.TraceID == "" || o.Name != "DELETE trades" && o.Name != "COMMIT" {
				t.Errorf("%s %s never arrived", o.Kind, o.Name)
			}
			continue
		}
		s := w.receiver.all[i]
		parent := o.ParentID
		if !o.Sampled && o.Error != "" {
			parent = "" // a root with a link
		}
		if hex.EncodeToString(s.ParentSpanId) != parent {
			t.Errorf("%s is below %x, recorded %q", o.Name, s.ParentSpanId, parent)
		}
		if o.Kind != "plugin" && o.Kind != "work" {
			compare(t, "kinds.db", &o, s)
		}
		if len(o.Events) != len(s.Events) {
			t.Errorf("%s has %d events, recorded %v", o.Name, len(s.Events), o.Events)
		}
		for k := range min(len(o.Events), len(s.Events)) {
			if e := s.Events[k]; e.Name != o.Events[k].Name || e.TimeUnixNano != uint64(o.Events[k].At.UnixNano()) {
				t.Errorf("%s: event %v, recorded %v", o.Name, e, o.Events[k])
			}
		}
	}
	return kinds, missing
}

// places holds spans to where they belong.
func (w *watched) places(t *testing.T) {
	t.Helper()
	caller := w.named(t, "caller")
	under := func(name string, above *otlp.Span) {
		t.Helper()
		if s := w.named(t, name); string(s.ParentSpanId) != string(above.SpanId) || string(s.TraceId) != string(caller.TraceId) {
			t.Errorf("%s is below %x, want %s", name, s.ParentSpanId, above.Name)
		}
	}
	for _, name := range []string{"TRANSACTION fine", "TRANSACTION watched", "TRANSACTION refused", "TRANSACTION broken", "TRANSACTION book", "TRANSACTION report", "migrate up"} {
		under(name, caller)
	}
	under("the caller's own", w.named(t, "TRANSACTION report"))
	under("migration main 0001 trades", w.named(t, "migrate up"))
	if !slices.ContainsFunc(w.receiver.all, func(s *otlp.Span) bool {
		return s.Name == "CREATE TABLE trades" && string(s.ParentSpanId) == string(w.named(t, "migration main 0001 trades").SpanId)
	}) {
		t.Error("no CREATE TABLE below the migration")
	}
	for name, want := range map[string]string{"TRANSACTION fine": "engine.tx.kind=update", "TRANSACTION book": "engine.tx.kind=batch", "TRANSACTION report": "engine.tx.kind=view",
		"UPDATE trades": "sqlite.rows_changed=1", "TRANSACTION refused": "engine.tx.outcome=rolled_back", "TRANSACTION broken": "engine.tx.outcome=rolled_back"} {
		if s := w.named(t, name); !slices.Contains(attributesOf(s), want) {
			t.Errorf("%s: no %s in %q", name, want, attributesOf(s))
		}
	}
	for _, name := range []string{"TRANSACTION fine", "TRANSACTION book"} {
		if !slices.ContainsFunc(w.named(t, name).Links, func(l *otlp.Span_Link) bool { return w.leads(l, "COMMIT", "commit") }) {
			t.Errorf("%s has no link to its COMMIT", name)
		}
	}
	i := slices.IndexFunc(w.receiver.all, func(s *otlp.Span) bool { return slices.Contains(attributesOf(s), "engine.promoted=failed") })
	if i < 0 {
		t.Fatal("what failed below a caller that is not sampled is not there")
	}
	far := unsampledParent()
	id, parent := far.TraceID(), far.SpanID()
	if s := w.receiver.all[i]; len(s.ParentSpanId) != 0 || len(s.Links) != 1 || string(s.Links[0].TraceId) != string(id[:]) || string(s.Links[0].SpanId) != string(parent[:]) ||
		len(s.Links[0].Attributes) != 1 || plain(s.Links[0].Attributes[0].Value) != "caller" || !slices.Contains(attributesOf(s), "error.type=constraint") {
		t.Errorf("%v", s)
	}
}

// leads reports whether a link leads to a span of that name for that reason.
func (w *watched) leads(l *otlp.Span_Link, name, reason string) bool {
	return len(l.Attributes) == 1 && l.Attributes[0].Key == "engine.link" && plain(l.Attributes[0].Value) == reason &&
		slices.ContainsFunc(w.receiver.all, func(s *otlp.Span) bool {
			return s.Name == name && string(s.SpanId) == string(l.SpanId) && string(s.TraceId) == string(l.TraceId)
		})
}

// spoken holds what the rule had to say to the spans: an event on the transaction, and a span of the call, slow as each of them counts here.
func (w *watched) spoken(t *testing.T) {
	t.Helper()
	for name, want := range map[string]string{"TRANSACTION watched": "validation.warned", "TRANSACTION refused": "validation.rejected", "TRANSACTION broken": "validation.failed"} {
		s := w.named(t, name)
		i := slices.IndexFunc(s.Events, func(e *otlp.Span_Event) bool { return e.Name == want })
		if i < 0 {
			t.Errorf("%s: no event %s among %v", name, want, s.Events)
			continue
		}
		told := map[string]string{}
		for _, a := range s.Events[i].Attributes {
			told[a.Key] = plain(a.Value)
		}
		if told["engine.plugin.name"] != "desk" || told["engine.plugin.version"] != "1.0.0" || told["db.collection.name"] != "trades" {
			t.Errorf("%s: %v", want, told)
		}
	}
	calls, failed := 0, 0
	for _, s := range w.receiver.all {
		if s.Name != "PLUGIN desk" {
			continue
		}
		calls++
		a := attributesOf(s)
		for _, want := range []string{"engine.plugin.name=desk", "engine.plugin.version=1.0.0", "db.collection.name=trades", "engine.plugin.rows=1"} {
			if !slices.Contains(a, want) {
				t.Errorf("a call of the guest: no %s in %q", want, a)
			}
		}
		if s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR {
			failed++
			if broken := w.named(t, "TRANSACTION broken"); string(s.ParentSpanId) != string(broken.SpanId) {
				t.Errorf("the call that failed is below %x", s.ParentSpanId)
			}
		}
	}
	if calls < 5 || failed != 1 {
		t.Errorf("%d calls of the guest, %d of them failed", calls, failed)
	}
}
