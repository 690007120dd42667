package metric_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tidegate/engine/core/metric"
)

var update = flag.Bool("update", false, "write testdata")

func sampled(t testing.TB) context.Context {
	t.Helper()
	return oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{0xab, 1}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.FlagsSampled}))
}

func busy(t testing.TB) *metric.Workload {
	w := new(metric.Workload)
	for i := range 10 {
		s := metric.Statement{Lane: "reader", Class: "signal", Operation: "SELECT", Duration: time.Duration(i+1) * 3 * time.Microsecond, Rows: 1, Steps: 20}
		w.Statement(t.Context(), &s)
	}
	w.Statement(sampled(t), &metric.Statement{Lane: "analytics", Class: "analytics", Operation: "SELECT", Duration: 40 * time.Millisecond, Wait: time.Millisecond, Rows: 3, Steps: 70000, Start: start().Add(-40 * time.Millisecond)})
	w.Statement(t.Context(), &metric.Statement{Lane: "writer", Class: "trade", Operation: "MERGE", Duration: time.Millisecond, Error: `od"d\` + "\n", InTransaction: true})
	w.Transaction("update", "committed", time.Millisecond, 2*time.Millisecond, 1)
	w.Commit(3, true, 4*time.Millisecond)
	return w
}

// The texts are the same as those that were looked over once; -update writes them.
func TestWrite(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"prometheus.txt": false, "openmetrics.txt": true} {
		var b bytes.Buffer
		if err := metric.Write(&b, busy(t).Gather, open); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s is\n%s", name, b.Bytes())
		}
	}
}

// Buckets never go down, the last one is the count, and an exemplar lies inside its bucket.
func TestWriteBuckets(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := metric.Write(&b, busy(t).Gather, true); err != nil {
		t.Fatal(err)
	}
	last, lower, exemplars := 0.0, 0.0, 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "db_client_operation_duration_seconds_bucket") || !strings.Contains(line, `engine_class="analytics"`) {
			continue
		}
		_, rest, _ := strings.Cut(line, `le="`)
		le, rest, _ := strings.Cut(rest, `"} `)
		fields := strings.Fields(rest)
		upper, err := strconv.ParseFloat(le, 64)
		n, err2 := strconv.ParseFloat(fields[0], 64)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if n < last {
			t.Errorf("bucket %s counts %v after %v", le, n, last)
		}
		if len(fields) > 1 {
			exemplars++
			v, err := strconv.ParseFloat(fields[3], 64)
			if err != nil || v <= lower || v > upper || !strings.Contains(line, "ab010000") {
				t.Errorf("exemplar of bucket %v to %v: %s", lower, upper, line)
			}
		}
		last, lower = n, upper
	}
	if last != 1 || exemplars != 1 {
		t.Errorf("%v values and %d exemplars, want one of each", last, exemplars)
	}
}

// A type of error that never ends becomes one series.
func TestTally(t *testing.T) {
	t.Parallel()
	var tally metric.Tally
	for i := range 1000 {
		tally.Add("name "+strconv.Itoa(i), "", 1)
	}
	series, sum := 0, 0.0
	tally.Gather(metric.Errors, "error.type", "", func(r metric.Reading) {
		series++
		sum += r.Value
	})
	if series > 201 || sum != 1000 {
		t.Errorf("%d series, %v in all, want at most 201 and 1000", series, sum)
	}
}

// The catalogue has a name, a unit, a text and labels as they are used for each metric, and no name twice.
func TestCatalog(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, id := range metric.All() {
		d := id.Definition()
		if d.Name == "" || d.Unit == "" || !strings.HasSuffix(d.Help, ".") || names[d.Name] || names[d.PrometheusName()] {
			t.Errorf("%d: %+v", id, d)
		}
		if d.Kind == metric.Distribution && d.Scale == 0 {
			t.Errorf("%s has no scale", d.Name)
		}
		names[d.Name], names[d.PrometheusName()] = true, true
	}
	gathered := 0
	check := func(r metric.Reading) {
		gathered++
		var keys []string
		for _, l := range r.Labels {
			keys = append(keys, l.Key)
		}
		if got := strings.Join(keys, ", "); got != r.ID.Definition().Labels {
			t.Errorf("%s has labels %q, the catalogue says %q", r.ID.Definition().Name, got, r.ID.Definition().Labels)
		}
	}
	busy(t).Gather(check)
	if gathered < 10 {
		t.Errorf("%d readings of a workload", gathered)
	}
	gathered = 0
	metric.GatherProcess(func(r metric.Reading) {
		check(r)
		if r.Value <= 0 && r.ID != metric.GoCollections {
			t.Errorf("%s is %v", r.ID.Definition().Name, r.Value)
		}
	})
	if gathered != 4 {
		t.Errorf("%d readings of the process, want 4", gathered)
	}
}

// A statement that is measured allocates nothing.
func TestWorkloadAllocates(t *testing.T) {
	var w metric.Workload
	ctx := t.Context()
	s := metric.Statement{Lane: "reader", Class: "signal", Operation: "SELECT", Duration: 3 * time.Microsecond, Rows: 1, Steps: 20}
	w.Statement(ctx, &s)
	if n := testing.AllocsPerRun(100, func() { w.Statement(ctx, &s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStatement(b *testing.B) {
	var w metric.Workload
	s := metric.Statement{Lane: "reader", Class: "signal", Operation: "SELECT", Duration: 3 * time.Microsecond, Rows: 1, Steps: 20}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		w.Statement(ctx, &s)
	}
}
