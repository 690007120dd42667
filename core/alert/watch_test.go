package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/internal/histogram"
)

const interval = 10 * time.Second

func start() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) }

// metrics are those that the tests of this package ask about.
func metrics() []alert.Metric {
	return []alert.Metric{
		{Name: "lat", Unit: "s", Kind: alert.Distribution, Scale: 1e-9, Labels: []string{"class"}},
		{Name: "err", Unit: "{error}", Kind: alert.Counter, Labels: []string{"type"}},
		{Name: "busy", Unit: "s", Kind: alert.Counter},
		{Name: "level", Unit: "1", Kind: alert.Gauge, Labels: []string{"name", "pool"}},
		{Name: "free", Unit: "By", Kind: alert.Gauge},
	}
}

// world is what a test samples, and the watch over it.
type world struct {
	t      *testing.T
	watch  *alert.Watch
	now    time.Time
	counts map[string]float64
	gauges map[string]float64
	hist   map[string]*histogram.Histogram
	events []string
}

func watching(t *testing.T, rules ...string) *world {
	t.Helper()
	var all []alert.Definition
	for i, when := range rules {
		all = append(all, alert.Definition{Name: fmt.Sprintf("R%d", i), Severity: alert.Warning, When: when})
	}
	compiled, mistakes := alert.Compile(all, metrics())
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	return &world{t: t, watch: alert.NewWatch(compiled, interval, start()), now: start(), counts: map[string]float64{}, gauges: map[string]float64{},
		hist: map[string]*histogram.Histogram{}}
}

// split takes a name such as level{pool=a} apart.
func split(name string) (string, []alert.Label) {
	metric, rest, ok := strings.Cut(name, "{")
	if !ok {
		return name, nil
	}
	var labels []alert.Label
	for l := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") {
		k, v, _ := strings.Cut(l, "=")
		labels = append(labels, alert.Label{Key: k, Value: v})
	}
	return metric, labels
}

func (w *world) samples() []alert.Sample {
	var out []alert.Sample
	add := func(name string, v float64, h histogram.Snapshot) {
		metric, labels := split(name)
		out = append(out, alert.Sample{Name: metric, Labels: labels, Value: v, Histogram: h})
	}
	for name, v := range w.counts {
		add(name, v, histogram.Snapshot{})
	}
	for name, v := range w.gauges {
		add(name, v, histogram.Snapshot{})
	}
	for name, h := range w.hist {
		add(name, 0, h.Snapshot())
	}
	return out
}

// after lets n intervals pass, each with the given change, and notes what happens as rule{labels}+ or -, with the interval's number in it.
func (w *world) after(n int, change func(i int)) {
	w.t.Helper()
	for i := range n {
		if change != nil {
			change(i)
		}
		w.now = w.now.Add(interval)
		w.step(i)
	}
}

func (w *world) step(i int) {
	for _, e := range w.watch.Step(w.now, w.samples()) {
		sign := "-"
		if e.Firing {
			sign = "+"
		}
		if e.Flapping && e.Firing {
			sign = "~"
		}
		if e.Faded {
			sign = "?"
		}
		labels := ""
		for _, l := range e.Labels {
			labels += l.Value
		}
		w.events = append(w.events, fmt.Sprintf("%s%s%s%d", e.Rule.Name, labels, sign, i))
	}
}

func (w *world) want(events ...string) {
	w.t.Helper()
	if !slices.Equal(w.events, events) {
		w.t.Errorf("happened: %v, want %v", w.events, events)
	}
	w.events = nil
}

func (w *world) observe(name string, n int, d time.Duration) {
	if w.hist[name] == nil {
		w.hist[name] = &histogram.Histogram{}
	}
	for range n {
		w.hist[name].Add(int64(d))
	}
}

// What is over the limit for less than the rule says begins nothing; what lasts begins one alert, and it ends once the value is past the resolve limit
// for as long as hold says.
func TestForResolveHold(t *testing.T) {
	t.Parallel()
	w := watching(t, "level > 10 resolve < 5 for 30s hold 20s")
	set := func(v float64) func(int) { return func(int) { w.gauges["level"] = v } }
	w.after(3, set(11)) // 20 s
	w.after(1, set(10))
	w.want()
	w.after(10, set(11))
	w.want("R0+3")
	w.after(10, set(7)) // between the two limits
	w.want()
	w.after(2, set(4))
	w.after(1, set(6)) // not for as long as hold
	w.want()
	w.after(5, set(4))
	w.want("R0-2")
	w.after(20, set(9))
	w.want()
}

// A process that sleeps, and a clock that is set, give nothing that had lasted meanwhile.
func TestGap(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		w := watching(t, "level > 10 for 1m", "rate(busy[1m]) > 80% for 1m", "level > 10 resolve < 5 hold 1m", "increase(err[5m]) > 5")
		w.counts["busy"] = 0
		w.counts["err"] = 0
		work := func(int) { w.counts["busy"] += 1 }
		w.gauges["level"] = 11
		w.after(5, work)
		w.want("R2+0")
		w.now = w.now.Add(jump)
		w.after(5, work)
		w.want()
		w.after(2, work)
		w.want("R0+1")
		w.gauges["level"] = 1
		w.after(4, work)
		w.want("R0-0")
		w.now = w.now.Add(jump)
		w.after(6, work)
		w.want()
		w.after(2, work)
		w.want("R2-0")
		w.counts["err"] += 6 // what happened before is not lost, whatever the clock does
		w.now = w.now.Add(jump)
		w.after(1, work)
		w.want("R3+0")
	}
}

// A counter that begins at 0 again has not gone down: what it shows came since.
func TestCounterReset(t *testing.T) {
	t.Parallel()
	w := watching(t, "increase(err[1m]) > 25", "increase(lat[1m]) > 25", "rate(busy[1m]) > 50%")
	w.counts["err"], w.counts["busy"] = 1000, 0
	w.observe("lat", 1000, time.Millisecond)
	w.after(1, nil) // all of it came since the start
	w.want("R0+0", "R1+0")
	w.after(10, nil)
	w.want("R0-5", "R1-5")
	tick := func(int) {
		w.counts["err"] += 4
		w.counts["busy"] += 3
		w.observe("lat", 4, time.Millisecond)
	}
	w.after(10, tick)
	w.want() // 24 a minute
	reset := func(int) {
		w.counts["err"], w.counts["busy"] = 2, 0
		w.hist["lat"] = nil
		w.observe("lat", 2, time.Millisecond)
	}
	w.after(1, reset)
	w.after(5, tick)
	w.want() // 2 and five times 4, and no fall or rise of a thousand
	w.after(10, nil)
	w.after(1, func(int) { // 30 of the new process are more than what is allowed, though far below what the old one had
		w.counts["err"] = 30
		w.hist["lat"] = nil
		w.observe("lat", 30, time.Millisecond)
	})
	w.want()
	w.after(1, func(int) {
		w.counts["err"] = 29
		w.hist["lat"] = nil
		w.observe("lat", 29, time.Millisecond)
	})
	w.want("R0+0", "R1+0")
}

// What comes and goes becomes one alert that stays open until it was well for half an hour.
func TestFlapping(t *testing.T) {
	t.Parallel()
	w := watching(t, "max(level) by (pool) > 10")
	on := func(v float64) func(int) { return func(int) { w.gauges["level{pool=a}"] = v } }
	for range 2 {
		w.after(3, on(11))
		w.after(3, on(1))
	}
	w.want("R0a+0", "R0a-0", "R0a+0", "R0a-0")
	for range 10 {
		w.after(3, on(11))
		w.after(3, on(1))
	}
	w.want("R0a~0")
	w.gauges["level{pool=b}"] = 11 // another group has its own
	w.after(170, on(1))
	w.want("R0b+0")
	w.after(30, on(1))
	w.want("R0a-7")
	w.after(200, on(1))
	w.after(3, on(11))
	w.want("R0a+0")
}

// Where nothing is known nothing begins, and what is open stays open: for an hour, after which it ends and says why.
func TestNothingKnown(t *testing.T) {
	t.Parallel()
	w := watching(t, "p95(lat[1m]) > 50ms resolve < 40ms for 20s", "level > 10 for 30s")
	w.gauges["level"] = 11
	w.after(2, nil)
	delete(w.gauges, "level")
	w.after(1, nil)
	w.gauges["level"] = 11
	w.after(3, nil) // the time begins anew
	delete(w.gauges, "level")
	w.want()
	w.after(4, func(int) { w.observe("lat", 10, 80*time.Millisecond) })
	w.want("R0+2")
	w.after(300, nil) // no more queries: they may all hang
	w.want()
	w.after(100, nil)
	w.want("R0?64")
	w.after(5, func(int) { w.observe("lat", 10, 80*time.Millisecond) })
	w.after(20, func(int) { w.observe("lat", 100, time.Millisecond) })
	w.want("R0+2", "R0-3")
}

// Each kind of expression, by what makes it begin and end.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule string
		bad  func(*world, int)
		well func(*world, int)
		want []string
	}{
		{"p95(lat{class=\"a\"}[1m]) > 50ms least 20", func(w *world, i int) { w.observe("lat{class=a}", 10, 70*time.Millisecond) },
			func(w *world, i int) { w.observe("lat{class=a}", 500, time.Millisecond) }, []string{"R0+1", "R0-1"}},
		{"p95(lat{class!=(\"a\",\"b\")}[1m]) > 50ms", func(w *world, i int) { w.observe("lat{class=c}", 1, 70*time.Millisecond) },
			func(w *world, i int) { w.observe("lat{class=c}", 50, 0); w.observe("lat{class=a}", 50, time.Hour) }, []string{"R0+0", "R0-1"}},
		{"mean(lat[30s]) >= 1s", func(w *world, i int) { w.observe("lat", 1, 1100*time.Millisecond) },
			func(w *world, i int) { w.observe("lat", 1, time.Millisecond) }, []string{"R0+0", "R0-0"}},
		{"increase(err[1m]) / increase(lat[1m]) by (type) > 5% least 50", nil, nil, nil},
		{"increase(err{type!=\"x\"}[1m]) / increase(lat[1m]) > 5% least 50", func(w *world, i int) {
			w.observe("lat", 10, 0)
			w.counts["err{type=x}"] += 10
			w.counts["err{type=y}"] += 1
		}, func(w *world, i int) { w.observe("lat", 100, 0) }, []string{"R0+4", "R0-0"}},
		{"rate(busy[30s]) > 80% for 20s", func(w *world, i int) { w.counts["busy"] += 9 }, func(w *world, i int) { w.counts["busy"] += 5 }, []string{"R0+2", "R0-0"}},
		{"min(level) by (pool) < 2", func(w *world, i int) { w.gauges["level{name=a,pool=p}"] = 5; w.gauges["level{name=b,pool=p}"] = 1 },
			func(w *world, i int) { w.gauges["level{name=b,pool=p}"] = 3 }, []string{"R0p+0", "R0p-0"}},
		{"sum(level) > 5", func(w *world, i int) { w.gauges["level{name=a,pool=p}"] = 3; w.gauges["level{name=b,pool=p}"] = 3 },
			func(w *world, i int) { w.gauges["level{name=b,pool=p}"] = 1 }, []string{"R0+0", "R0-0"}},
		{"avg(level[30s]) > 5", func(w *world, i int) { w.gauges["level"] = 6 }, func(w *world, i int) { w.gauges["level"] = 1 }, []string{"R0+0", "R0-0"}},
		{"max(level[30s]) > 5", func(w *world, i int) { w.gauges["level"] = 6 }, func(w *world, i int) { w.gauges["level"] = 1 }, []string{"R0+0", "R0-3"}},
		{"absent(level{pool=\"p\"}[1m])", func(w *world, i int) { w.gauges["level{name=a,pool=q}"] = 1 },
			func(w *world, i int) { w.gauges["level{name=a,pool=p}"] = 1 }, []string{"R0+5", "R0-0"}},
		{"full(free[10m]) < 24h resolve > 36h", func(w *world, i int) { w.gauges["free"] = 1e9 - float64(i)*1e6 },
			func(w *world, i int) { w.gauges["free"] = 1e9 }, []string{"R0+5", "R0-5"}},
		{"full(free[10m], 2GB) < 1h", func(w *world, i int) { w.gauges["free"] = 1e9 + float64(i)*1e7 },
			func(w *world, i int) { w.gauges["free"] = 1e9 }, []string{"R0+5", "R0-3"}},
	} {
		if c.want == nil {
			if _, mistakes := alert.Compile([]alert.Definition{{Name: "R", When: c.rule}}, metrics()); mistakes == nil {
				t.Errorf("%s is taken", c.rule)
			}
			continue
		}
		w := watching(t, c.rule)
		w.after(20, func(i int) { c.bad(w, i) })
		w.after(70, func(i int) { c.well(w, i) })
		if !slices.Equal(w.events, c.want) {
			t.Errorf("%s: happened %v, want %v", c.rule, w.events, c.want)
		}
	}
}

// Drift compares with the same hour of last week, and else with the latest day.
func TestDrift(t *testing.T) {
	t.Parallel()
	w := watching(t, "drift(mean(lat[5m])) > 3 resolve < 2 for 1m")
	hours := func(n int, d func(h int) time.Duration) {
		for h := range n {
			w.after(360, func(int) { w.observe("lat", 1, d(h)) })
		}
	}
	daily := func(h int) time.Duration { // each day's night is ten times as slow
		if h%24 < 2 {
			return 10 * time.Millisecond
		}
		return time.Millisecond
	}
	hours(1, func(int) time.Duration { return time.Millisecond })
	w.after(60, func(int) { w.observe("lat", 1, 100*time.Millisecond) })
	w.want() // nothing is known of the time before
	w = watching(t, "drift(mean(lat[5m])) > 3 resolve < 2 for 1m")
	hours(8*24, daily)
	if len(w.events) > 14 { // in the first week, a night is compared with a day
		t.Errorf("the nights of the second week are not usual: %v", w.events)
	}
	w.events = nil
	hours(2, daily)
	w.want()
	hours(1, func(int) time.Duration { return 5 * time.Millisecond })
	hours(1, daily14)
	if len(w.events) != 2 || !strings.HasPrefix(w.events[0], "R0+") || !strings.HasPrefix(w.events[1], "R0-") {
		t.Errorf("five times the usual: %v", w.events)
	}
}

func daily14(int) time.Duration { return time.Millisecond }

// An alert that was open before a restart does not begin again, and ends when it is well.
func TestResume(t *testing.T) {
	t.Parallel()
	w := watching(t, "max(level) by (pool) > 10 for 20s hold 20s")
	if !w.watch.Resume("R0", []alert.Label{{Key: "pool", Value: "a"}}, start().Add(-time.Hour), 12, false) {
		t.Fatal("the rule is not known")
	}
	if w.watch.Resume("R1", nil, start(), 0, false) || w.watch.Resume("R0", nil, start(), 0, false) {
		t.Error("a rule that is not there, or groups otherwise, was resumed")
	}
	w.gauges["level{pool=a}"] = 12
	w.after(30, nil)
	w.want()
	w.gauges["level{pool=a}"] = 1
	w.after(3, nil)
	w.want("R0a-2")
}
