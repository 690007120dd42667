package torture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/torture"
)

func scenarios(dirs *[]string) []torture.Scenario {
	add := func(name string, f func(*torture.Env) (torture.Result, error)) torture.Scenario {
		return torture.Scenario{Name: name, Promise: "P1", About: name, Run: func(_ context.Context, e *torture.Env) (torture.Result, error) {
			*dirs = append(*dirs, e.Dir)
			return f(e)
		}}
	}
	long := add("long", func(*torture.Env) (torture.Result, error) { return torture.Result{Cases: 1}, nil })
	long.LongOnly = true
	return []torture.Scenario{
		add("good", func(e *torture.Env) (torture.Result, error) {
			e.Log("drew %d", e.Rand(1).IntN(10))
			r := torture.Result{Cases: torture.Pick(e.Scale, 3, 30)}
			r.Count("lost", 0)
			r.Add("slowest", 1.23456, "ms")
			return r, os.WriteFile(e.Dir+"/left", nil, 0o600)
		}),
		add("bad", func(*torture.Env) (torture.Result, error) {
			return torture.Result{Cases: 2}, errors.New("one was lost")
		}),
		add("nothing", func(*torture.Env) (torture.Result, error) { return torture.Result{}, nil }),
		add("panics", func(*torture.Env) (torture.Result, error) { panic("oh") }),
		add("elsewhere", func(*torture.Env) (torture.Result, error) { return torture.Result{}, torture.Skip("no mount here") }),
		long,
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var dirs []string
	var progress bytes.Buffer
	rows := torture.Run(t.Context(), scenarios(&dirs), torture.Options{Seed: 7, Progress: &progress})
	want := []torture.Verdict{torture.Passed, torture.Failed, torture.Failed, torture.Failed, torture.Skipped}
	if len(rows) != len(want) {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	for i, r := range rows {
		if r.Verdict != want[i] || r.Seed != 7 {
			t.Errorf("%s: %s (%s)", r.Scenario, r.Verdict, r.Why)
		}
	}
	if torture.Failures(rows) != 3 || rows[0].Cases != 3 || !strings.Contains(progress.String(), "drew ") {
		t.Errorf("failures %d, cases %d, progress %q", torture.Failures(rows), rows[0].Cases, progress.String())
	}
	for _, d := range dirs {
		if _, err := os.Stat(d); err == nil {
			t.Errorf("a scenario's directory was left behind")
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	var dirs []string
	all := scenarios(&dirs)
	if rows := torture.Run(t.Context(), all, torture.Options{Only: regexp.MustCompile("^good$")}); len(rows) != 1 {
		t.Errorf("%d rows by name", len(rows))
	}
	if rows := torture.Run(t.Context(), all, torture.Options{Only: regexp.MustCompile("P1"), Scale: torture.Long}); len(rows) != 6 || rows[0].Cases != 30 {
		t.Errorf("%d rows by promise in the long form", len(rows))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rows := torture.Run(ctx, all, torture.Options{}); len(rows) != 0 {
		t.Errorf("%d rows after the end", len(rows))
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var dirs []string
	rows := torture.Run(t.Context(), scenarios(&dirs)[:2], torture.Options{Seed: 99})
	var table, text bytes.Buffer
	if err := errors.Join(torture.Table(&table, rows), torture.JSON(&text, rows)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lost=0 slowest=1.235ms", "FAIL", "one was lost", "99"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
	var back []torture.Row
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || len(back) != 2 || back[0].Figures[1].Value != 1.235 {
		t.Errorf("%v %+v", err, back)
	}
}

// TestTests runs a test of this package as a scenario; what it reports is TestFigures.
func TestTests(t *testing.T) {
	t.Parallel()
	s := torture.Tests("inner", "P1", "a test as a scenario", "./internal/torture", "^(TestFigures)$")
	rows := torture.Run(t.Context(), []torture.Scenario{s}, torture.Options{Scale: torture.Long, Seed: 5})
	if torture.Failures(rows) > 0 || rows[0].Cases != 12 || len(rows[0].Figures) != 3 || rows[0].Figures[1].String() != "slowest=7.5ms" {
		t.Fatalf("%+v", rows)
	}
	s = torture.Tests("inner", "P1", "a test that fails", "./internal/torture", "^(TestFiguresOfSeed)$")
	rows = torture.Run(t.Context(), []torture.Scenario{s}, torture.Options{Scale: torture.Long, Seed: 6})
	if torture.Failures(rows) != 1 || !strings.Contains(rows[0].Why, "seed 6") {
		t.Fatalf("a failing test passed: %+v", rows)
	}
}

func TestFigures(t *testing.T) {
	t.Log("figures: cases=12 slowest=7.5ms lost=0")
}

// TestFiguresOfSeed fails with the seed that TestTests gives it.
func TestFiguresOfSeed(t *testing.T) {
	if os.Getenv("TIDEGATE_SEED") == "6" {
		t.Fatal("seed 6")
	}
}
