//go:build linux && !race

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tidegate/engine"
)

// costSides are what is compared. Programs differ most in their heap: the flight recorder's 11 MB let the collector of garbage run less often in a
// program that has next to none of its own, so each is asked with a heap of its own, too.
var costSides = []costSide{
	{name: "off", calls: 200_000, heap: 64 << 20},
	{name: "measured", calls: 200_000, heap: 64 << 20, measured: true},
	{name: "unsampled parent", calls: 200_000, heap: 64 << 20, measured: true, recorded: true},
	{name: "all exported", calls: 10_000, heap: 64 << 20, measured: true, recorded: true, sampled: true},
	{name: "spans of the SDK", calls: 10_000, heap: 64 << 20, sdk: true},
	{name: "off, small heap", calls: 200_000},
	{name: "unsampled, small heap", calls: 200_000, measured: true, recorded: true},
}

// costStatement is what is run: a point read, the cheapest statement there is, on which observing weighs most.
const costStatement = "SELECT qty, px FROM fills WHERE id = ?"

// costSideEnv names the side that a child process of this test is.
const costSideEnv = "TIDEGATE_TRACE_COST_SIDE"

// TestTraceCost: what observing costs the whole process, in processor time a statement, the background and the collector of garbage included. Each
// side is a process of its own, so that none pays for another, and they take turns, so that a neighbour on this machine slows all of them. The
// receiver of spans is this process: what receiving costs is not the sender's.
func TestTraceCost(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(countSpans(&got))
	defer server.Close()
	sides := make([]*costProcess, len(costSides))
	for i, side := range costSides {
		sides[i] = startCost(t, side, server.URL)
		sides[i].round(t, 70_000) // the ring has gone round, and the heap its size
		sides[i].took = nil
	}
	got.Store(0)
	long := os.Getenv("TIDEGATE_TORTURE") != "" // on a machine that may be busy with others only what is far off is a fault
	rounds := 5
	if long {
		rounds = 15
	}
	for round := range rounds {
		for i := range sides {
			s := sides[(round+i)%len(sides)]
			s.round(t, s.calls)
		}
	}
	of := map[string]time.Duration{}
	for _, s := range sides {
		of[s.name] = s.end(t)
	}
	ratio := func(a, b string) float64 { return float64(of[a]) / float64(of[b]) }
	for _, s := range costSides {
		base := "off"
		if s.heap == 0 {
			base = "off, small heap"
		}
		t.Logf("%-21s %6.2f µs a statement, %5.2f of off, %+6.2f µs", s.name, of[s.name].Seconds()*1e6, ratio(s.name, base), (of[s.name]-of[base]).Seconds()*1e6)
	}
	if n := got.Load(); n != int64(2*rounds*10_000) {
		t.Errorf("%d spans came, want all %d", n, 2*rounds*10_000)
	}
	bar := func(name, base string, most float64) {
		if r := ratio(name, base); r > most {
			t.Errorf("%s: a statement costs %.2f of off, the bar is %.2f", name, r, most)
		}
	}
	if long {
		bar("unsampled, small heap", "off, small heap", 1.15) // 1.00 to 1.04
		// The goal is 1.15. A busy machine, on which the ring is in nobody's cache, gave 1.15 to 1.30; the bar is where something must have got worse.
		bar("unsampled parent", "off", 1.45)
		if extra := of["all exported"] - of["off"]; extra > 6*time.Microsecond {
			t.Errorf("an exported statement costs %v more than off, the bar is 6 µs", extra)
		}
	} else {
		bar("unsampled, small heap", "off, small heap", 1.5)
		bar("unsampled parent", "off", 1.75)
	}
	if of["all exported"] >= of["spans of the SDK"] {
		t.Errorf("an exported statement costs %v, with plain spans of the SDK %v", of["all exported"], of["spans of the SDK"])
	}
}

// countSpans is a receiver that decodes what comes and counts the spans.
func countSpans(n *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		data, err := io.ReadAll(req.Body)
		var request collector.ExportTraceServiceRequest
		if err = cmp.Or(err, proto.Unmarshal(data, &request)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, r := range request.ResourceSpans {
			for _, s := range r.ScopeSpans {
				n.Add(int64(len(s.Spans)))
			}
		}
	})
}

// costSide is one of the things compared.
type costSide struct {
	name                             string
	calls                            int // in a round
	heap                             int // bytes that the program keeps besides
	measured, recorded, sampled, sdk bool
}

// costProcess is the process that runs a side.
type costProcess struct {
	costSide
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	took []time.Duration // a statement, by round
}

func startCost(t *testing.T, side costSide, receiver string) *costProcess {
	t.Helper()
	p := &costProcess{costSide: side, cmd: exec.Command(os.Args[0], "-test.run", "^TestTraceCostSide$", "-test.v")}
	p.cmd.Env = append(os.Environ(), costSideEnv+"="+side.name, "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.in.Close()
		_ = p.cmd.Wait() // end has told of an error
	})
	return p
}

// round has the process run n statements and say what they took.
func (p *costProcess) round(t *testing.T, n int) {
	t.Helper()
	fmt.Fprintln(p.in, n)
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		if word, value, _ := strings.Cut(strings.TrimSpace(line), " "); word == "took" {
			ns, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatalf("%s said %q", p.name, line)
			}
			p.took = append(p.took, time.Duration(ns)/time.Duration(n))
			return
		}
	}
}

// end ends the process and is the median of the rounds.
func (p *costProcess) end(t *testing.T) time.Duration {
	t.Helper()
	p.in.Close()
	rest, err := io.ReadAll(p.out)
	if err = cmp.Or(err, p.cmd.Wait()); err != nil {
		t.Errorf("%s: %v: %s", p.name, err, rest)
	}
	slices.Sort(p.took)
	return p.took[len(p.took)/2]
}

// processTime is the processor time of this process with all its goroutines.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestTraceCostSide is a side of TestTraceCost. Alone it does nothing.
func TestTraceCostSide(t *testing.T) {
	i := slices.IndexFunc(costSides, func(s costSide) bool { return s.name == os.Getenv(costSideEnv) })
	if i < 0 {
		t.Skip("a part of TestTraceCost")
	}
	side := costSides[i]
	own := make([]byte, side.heap)
	defer runtime.KeepAlive(own)
	db, provider := side.open(t)
	ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.TraceFlags(0).WithSampled(side.sampled || side.sdk)}))
	run, flush := readFill, db.Trace().Flush
	if side.sdk {
		run, flush = spannedRead(provider.Tracer("test")), provider.ForceFlush
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		n, err := strconv.Atoi(in.Text())
		if err != nil {
			t.Fatal(err)
		}
		began := processTime(t)
		for i := range n {
			run(ctx, t, db, int64(i%10_000+1))
			if i%2000 == 1999 || i == n-1 { // neither queue overflows
				if err := flush(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		fmt.Printf("took %d\n", processTime(t)-began)
	}
}

// open opens the database of a side, and what its spans go to.
func (s *costSide) open(t *testing.T) (*engine.DB, *sdktrace.TracerProvider) {
	t.Helper()
	cfg := engine.DefaultConfig(filepath.Join(t.TempDir(), "cost.db"))
	cfg.Telemetry.Measure = s.measured
	if !s.recorded {
		cfg.Trace.Records = 0
	}
	exporter, err := newExporter(t.Context(), "otlp", nil)
	if err != nil {
		t.Fatal(err)
	}
	provider, described, err := newProvider(t.Context(), exporter)
	if err != nil {
		t.Fatal(err)
	}
	if s.sampled {
		cfg.Trace.Sink = newSpanSink(exporter, described)
	}
	t.Cleanup(func() {
		if err := cmp.Or(provider.Shutdown(context.WithoutCancel(t.Context())), exporter.failure()); err != nil {
			t.Error(err)
		}
	})
	db, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, sql := range []string{"CREATE TABLE fills (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL, px INTEGER NOT NULL, note TEXT NOT NULL) STRICT",
		"INSERT INTO fills WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 10000) SELECT x, x*7, x*13, 'fill number ' || x FROM c"} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return db, provider
}

// readFill is the statement.
func readFill(ctx context.Context, t *testing.T, db *engine.DB, id int64) {
	var qty, px int64
	if err := db.QueryRow(ctx, costStatement, id).Scan(&qty, &px); err != nil || qty != 7*id || px != 13*id {
		t.Fatal(qty, px, err)
	}
}

// spannedRead is the statement in a span of the SDK with the attributes that the engine gives, as a wrapper around a driver makes it.
func spannedRead(tracer oteltrace.Tracer) func(context.Context, *testing.T, *engine.DB, int64) {
	return func(ctx context.Context, t *testing.T, db *engine.DB, id int64) {
		ctx, span := tracer.Start(ctx, "SELECT fills", oteltrace.WithSpanKind(oteltrace.SpanKindClient))
		readFill(ctx, t, db, id)
		span.SetAttributes(attribute.String("db.system.name", "sqlite"), attribute.String("db.namespace", "cost.db"),
			attribute.String("db.query.text", costStatement), attribute.String("db.query.summary", "SELECT fills"),
			attribute.String("sqlite.fingerprint", "0123456789abcdef"), attribute.String("db.operation.name", "SELECT"),
			attribute.String("db.collection.name", "fills"), attribute.Int64("db.response.returned_rows", 1), attribute.String("engine.lane", "reader"),
			attribute.String("engine.class", "normal"), attribute.Int64("sqlite.vm_steps", 8))
		span.End()
	}
}
