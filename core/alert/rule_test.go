package alert_test

import (
	"strings"
	"testing"

	"github.com/tidegate/engine/core/alert"
)

// What is wrong with a rule is said with what would be right.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]string{
		"":                                    "ends where a function or a metric is wanted",
		"level":                               "ends where one of > >= < <= is wanted",
		"levell > 1":                          "is level meant?",
		"p95(level[1m]) > 1":                  "level is a gauge: take max",
		"p95(lat) > 1s":                       "lat wants a window",
		"p0(lat[1m]) > 1s":                    "there is no function p0",
		"p95(lat[1m]) > 1MiB":                 "the limit is a size",
		"p95(lat[1m]) > 1s resolve > 2s":      "compares the other way round",
		"p95(lat[1m]) > 1s resolve < 2s":      "would fire at the same time",
		"level >= 1 resolve <= 1":             "would fire at the same time",
		"p95(lat[1m]) > 1s for 5":             "a time is wanted",
		"p95(lat[1m]) > 1s for 5s for 5s":     "each once",
		"p95(lat[1m]) > 1s least 1.5":         "a number of values",
		"p95(lat{kind=\"a\"}[1m]) > 1s":       "lat has no label kind: it has class",
		"p95(lat{class=a}[1m]) > 1s":          "a value in quotes",
		"max(level) by (nme) > 1":             "level has no label nme",
		"absent(level[1m]) by (pool)":         "absent has none",
		"absent(level)":                       "wants a window",
		"sum(level[1m]) > 1":                  "takes no window",
		"full(free[1h], 5s) < 1h":             "what it is to reach is not",
		"drift(absent(level[1m])) > 2":        "cannot be",
		"level > 5parsecs":                    "no quantity",
		"level > 1 # high":                    "means nothing here",
		"increase(lat[8d]) > 1":               "from a second to seven days",
		"level{pool=\"a} > 1":                 "has no end",
		"level > " + strings.Repeat("1", 5e3): "at most 4096",
	} {
		_, got := alert.Compile([]alert.Definition{{Name: "R", When: when}}, metrics())
		if len(got) != 1 || !strings.HasPrefix(got[0], "R: ") || !strings.Contains(got[0], want) {
			t.Errorf("%.60s: %q, want %q", when, got, want)
		}
	}
	_, got := alert.Compile([]alert.Definition{{Name: "a b", When: "level > 1"}, {Name: "R", When: "level > 1"}, {Name: "R", When: "level >"}, {Name: "S", Severity: 9, When: "level > 1"}}, metrics())
	if len(got) != 4 {
		t.Errorf("not every mistake is said at once: %q", got)
	}
}

// A rule that was given other limits says what it is now, as somebody would write it: all of it, also what was not adjusted.
func TestAdjust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ when, by, want string }{
		{"p95(lat[2m]) > 50ms resolve < 40ms for 1m least 20", "> 80ms resolve < 60ms", "p95(lat[2m]) > 80ms resolve < 60ms for 1m0s least 20"},
		{"p95(lat[2m]) > 50ms resolve < 40ms for 1m least 20", "for 90s", "p95(lat[2m]) > 50ms resolve < 40ms for 1m30s least 20"},
		{"min(free) < 1GiB hold 1m", "< 512MiB", "min(free) < 536870912B hold 1m0s"},
		{"rate(busy[1m]) > 80% for 5m", "> 90%", "rate(busy[1m]) > 90% for 5m0s"},
		{"max(level) >= 2 resolve < 1", ">= 3 resolve <= 1", "max(level) >= 3 resolve <= 1"},
	} {
		rules, mistakes := alert.Compile([]alert.Definition{{Name: "R", When: c.when}}, metrics())
		if mistakes != nil {
			t.Fatal(mistakes)
		}
		got, err := rules[0].Adjust(c.by)
		if err != nil || got.When != c.want {
			t.Errorf("%s adjusted by %s: %q, %v", c.when, c.by, got.When, err)
			continue
		}
		again, mistakes := alert.Compile([]alert.Definition{got.Definition}, metrics())
		if mistakes != nil || again[0].Limit() != got.Limit() || again[0].For() != got.For() {
			t.Errorf("%q reads as another rule: %v", got.When, mistakes)
		}
	}
}

// No text makes the parser panic or hang, and what it takes evaluates.
func FuzzCompile(f *testing.F) {
	for _, d := range alert.Defaults(alert.Sizes{WALCap: 1 << 20, WALHard: 1 << 19}) {
		f.Add(d.When)
	}
	f.Add("drift(increase(err[1m]) / increase(lat[1m])) > 2 for 1m")
	f.Add("max(level{pool!=(\"a\",\"b\")}[5m]) by (pool, name) >= -1 hold 1h30m")
	f.Fuzz(func(t *testing.T, when string) {
		rules, mistakes := alert.Compile([]alert.Definition{{Name: "R", When: when}}, metrics())
		if len(rules)+len(mistakes) == 0 {
			t.Fatal("neither a rule nor a mistake")
		}
		if len(rules) == 0 {
			return
		}
		w := alert.NewWatch(rules, interval, start())
		at := start()
		for i := range 30 {
			at = at.Add(interval)
			w.Step(at, []alert.Sample{{Name: "level", Value: float64(i)}, {Name: "err", Value: float64(i * i)}, {Name: "free", Value: float64(-i)}})
		}
		if _, err := rules[0].Adjust(when); err == nil && !strings.ContainsAny(when, "<>") && !strings.Contains(when, "for") && !strings.Contains(when, "hold") && !strings.Contains(when, "least") {
			t.Errorf("%q adjusts a rule", when)
		}
	})
}
