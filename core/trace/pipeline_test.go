package trace_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/trace"
)

// outage is how long the collector of TestOutage does not answer.
func outage() time.Duration {
	if os.Getenv("TIDEGATE_TORTURE") == "1" {
		return 5 * time.Minute
	}
	return 5 * time.Second
}

// heap is what the process keeps alive.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestOutage: 20,000 sampled statements a second of 300 shapes while the collector takes nothing. What is held stays bounded, every span is
// accounted for, failed and slow ones and every shape are still seen, and export goes on when the collector is back.
func TestOutage(t *testing.T) {
	k := &sink{gate: make(chan struct{}), entered: make(chan struct{}, 1)}
	f := fly(t, trace.Options{Sink: k, Records: 1 << 16})
	ctx := parent(t.Context(), true)
	queries := make([]*trace.Query, 300)
	for i := range queries {
		queries[i] = trace.Describe(fmt.Sprintf("SELECT a FROM t%d WHERE b = 1", i))
	}
	failure := errors.New("x")
	const perSecond = 20_000
	n, failed := 0, 0
	put := func() {
		st := trace.Statement{Query: queries[n%len(queries)], Start: time.Now(), Duration: time.Microsecond, Lane: "reader", Class: "signal"}
		if n%10_007 == 0 {
			st.Err = failure
			failed++
		}
		f.Statement(ctx, &st)
		n++
	}
	for range 70_000 { // the ring is full and the backlog over its bounds before memory is measured
		put()
		if n%1000 == 0 {
			time.Sleep(time.Millisecond) // a pace, not a wait for something
		}
	}
	before := heap()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	// Every statement is made, however long the machine stops this program: an outage is over when its last one is.
	began, first, all := time.Now(), n, int(outage().Seconds()*perSecond)
	for ; n-first < all; <-tick.C {
		for due := min(all, int(time.Since(began).Seconds()*perSecond)); n-first < due; { // also what a busy machine had no time for
			put()
		}
	}
	grown := int64(heap()) - int64(before)
	if grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes during the outage", grown)
	}
	s := f.Stats()
	if s.Wanted != uint64(n) || s.Exported != 0 || s.Dropped.Behind == 0 || s.Pending > 12_000 {
		t.Errorf("of %d statements: %+v", n, s)
	}
	close(k.gate) // it is back
	spans := k.taken(t, f)
	s = balanced(t, f)
	if s.Exported != uint64(len(spans)) || s.Wanted != uint64(n) || s.Dropped.Priority != 0 {
		t.Errorf("%d spans came: %+v", len(spans), s)
	}
	sawFailed, shapes := 0, map[string]int{}
	for i := range spans {
		shapes[spans[i].Name]++
		if spans[i].Message != "" {
			sawFailed++
		}
	}
	if uint64(sawFailed) != uint64(failed) && s.Dropped.Overwritten == 0 || len(shapes) != len(queries) {
		t.Errorf("%d of %d failed ones and %d of %d shapes were seen: %+v", sawFailed, failed, len(shapes), len(queries), s.Dropped)
	}
	put()
	if again := k.taken(t, f); len(again) != 1 {
		t.Errorf("%d spans after the outage, want 1", len(again))
	}
	t.Logf("%d statements in an outage of %v: heap %+d bytes, %+v", n, outage(), grown, s.Dropped)
}

// A failed batch is counted, and the next one is sent.
func TestFailingSink(t *testing.T) {
	t.Parallel()
	k := &sink{err: errors.New("down")}
	f := fly(t, trace.Options{Sink: k})
	st := &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()}
	f.Statement(t.Context(), st)
	_ = k.taken(t, f)
	if s := balanced(t, f); s.Dropped.Failed != 1 || s.Exported != 0 {
		t.Errorf("%+v", s)
	}
	k.err = nil
	f.Statement(t.Context(), st)
	if spans := k.taken(t, f); len(spans) != 1 {
		t.Errorf("%d spans after the failure", len(spans))
	}
}

// Failures below callers that are not sampled are exported to a limit: they may be many.
func TestPromotionRate(t *testing.T) {
	t.Parallel()
	k := &sink{}
	f := fly(t, trace.Options{Sink: k})
	at := time.Unix(1_700_000_000, 0)
	ctx := parent(t.Context(), false)
	for range 1000 {
		f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 1"), Start: at, Err: errors.New("x")})
	}
	f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 1"), Start: at.Add(time.Second), Err: errors.New("x")})
	for range 300 { // the clock was set back by an hour: there is a budget then, too
		f.Statement(ctx, &trace.Statement{Query: trace.Describe("SELECT 1"), Start: at.Add(-time.Hour), Err: errors.New("x")})
	}
	spans := k.taken(t, f)
	if s := balanced(t, f); len(spans) != 401 || s.Promoted != 401 || s.Dropped.Rate != 900 {
		t.Errorf("%d spans, %+v", len(spans), s)
	}
}

// What cannot be exported before the end is counted, and Close does not wait for ever.
func TestCloseBehindStuckSink(t *testing.T) {
	t.Parallel()
	k := &sink{gate: make(chan struct{}), entered: make(chan struct{}, 1)}
	f := trace.Open(trace.Options{Sink: k, Records: 1024})
	st := &trace.Statement{Query: trace.Describe("SELECT 1"), Start: time.Now()}
	f.Statement(t.Context(), st)
	<-k.entered
	for range 10 {
		f.Statement(t.Context(), st)
	}
	ctx, cancel := contextFor(t, 50*time.Millisecond)
	defer cancel()
	if err := f.Close(ctx); err == nil {
		t.Error("no word of the spans that were left")
	}
	deadline := time.Now().Add(10 * time.Second)
	for s := f.Stats(); s.Pending != 0 || s.Wanted != 11 || s.Dropped.Closed+s.Dropped.Failed != 11; s = f.Stats() {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s)
		}
		runtime.Gosched()
	}
	f.Statement(t.Context(), st) // harmless
	if s := f.Stats(); s.Wanted != 11 || s.Recorded != 12 {
		t.Errorf("after Close: %+v", s)
	}
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	f := fly(t, trace.Options{Sink: &sink{}, Records: 1024})
	say := func(sql string, n int) {
		for range n {
			f.Statement(t.Context(), &trace.Statement{Query: trace.Describe(sql), Start: time.Now(), Class: "signal", Lane: "reader", RowsReturned: 3})
		}
	}
	say("SELECT old", 1)
	say("SELECT before FROM incident WHERE a = 'secret'", 1500)
	if !f.Freeze("WALOverCap") || f.Freeze("WriterBusy") || !f.Stats().Frozen {
		t.Error("the first alert did not freeze, or the second did")
	}
	say("SELECT after", 1024)
	c := f.Frozen()
	n, last := 0, uint64(0)
	for o := range c.Operations() {
		if n++; o.Name != "SELECT incident" || o.Serial <= last || o.Returned != 3 || o.Lane != "reader" || o.Class != "signal" ||
			o.Text != "SELECT before FROM incident WHERE a = ?" || o.Fingerprint == "" {
			t.Fatalf("%+v", o)
		}
		last = o.Serial
	}
	if n != 1024 || c.Reason != "WALOverCap" {
		t.Errorf("%d operations for %q, want 1024", n, c.Reason)
	}
	n = 0
	for o := range f.Last(time.Minute) {
		if n++; o.Name != "SELECT" {
			t.Fatalf("%+v", o)
		}
	}
	if n != 1024 {
		t.Errorf("%d operations in the ring, want 1024", n)
	}
	for o := range f.Last(time.Nanosecond) {
		t.Errorf("%+v is older than a nanosecond", o)
	}
	if !f.Thaw() || f.Thaw() || f.Frozen() != nil {
		t.Error("the capture stayed")
	}
}

// Many writers and readers at once: nobody waits, no record is torn.
func TestRingUnderContention(t *testing.T) {
	t.Parallel()
	f := fly(t, trace.Options{Sink: discard{}, Records: 1024})
	q := trace.Describe("SELECT 1")
	done := make(chan struct{})
	const writers, each = 4, 20_000
	go func() {
		defer close(done)
		finished := make(chan struct{})
		for w := range writers {
			go func() {
				ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
					TraceID: oteltrace.TraceID{byte(w + 1)}, SpanID: oteltrace.SpanID{byte(w + 1)}, TraceFlags: oteltrace.FlagsSampled}))
				for range each {
					f.Statement(ctx, &trace.Statement{Query: q, Start: time.Unix(int64(w), 0), RowsReturned: int64(w), RowsChanged: int64(w)})
				}
				finished <- struct{}{}
			}()
		}
		for range writers {
			<-finished
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for o := range f.Last(0) {
			if w := byte(o.Returned + 1); o.Changed != o.Returned || o.Start.Unix() != o.Returned || o.TraceID[:2] != fmt.Sprintf("%02x", w) {
				t.Fatalf("torn: %+v", o)
			}
		}
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := balanced(t, f); s.Recorded != writers*each || s.Wanted != writers*each {
		t.Errorf("%+v", s)
	}
}

// Long texts of a program that never repeats itself are not kept alive without bound.
func TestTextsAreBounded(t *testing.T) {
	f := fly(t, trace.Options{Sink: discard{}, Records: 1 << 13})
	long := func(i int) string {
		return fmt.Sprintf("SELECT %s%d FROM t", strings.Repeat("a", 6500), i)
	}
	before := heap()
	for i := range 1 << 13 { // 6.5 KB each, 53 MB in all
		f.Statement(t.Context(), &trace.Statement{Query: trace.Describe(long(i)), Start: time.Now()})
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if grown := int64(heap()) - int64(before); grown > 30<<20 {
		t.Errorf("%d bytes are kept alive", grown)
	}
}
