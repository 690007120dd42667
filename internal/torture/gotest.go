package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Tests makes a scenario of tests that have a long form of their own (TIDEGATE_TORTURE=1). It runs them from the root of the module. A
// test may report figures with t.Logf("figures: kills=50 slowest=120ms"). Cases are the tests that passed, or the figure named "cases".
func Tests(name, promise, about, pkg, run string) Scenario {
	return Scenario{Name: name, Promise: promise, About: about, LongOnly: true,
		Run: func(ctx context.Context, e *Env) (Result, error) { return goTest(ctx, e, ".", pkg, run) }}
}

// TestsIn is Tests for a module of its own inside this one, in the folder dir. Where all of its tests were skipped, so is the scenario.
func TestsIn(dir, name, promise, about, run string) Scenario {
	s := Tests(name, promise, about, ".", run)
	s.Run = func(ctx context.Context, e *Env) (Result, error) { return goTest(ctx, e, dir, ".", run) }
	return s
}

func goTest(ctx context.Context, e *Env, dir, pkg, run string) (Result, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return Result{}, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout", "2h", "-run", run, pkg)
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), "TIDEGATE_TORTURE=1", "TIDEGATE_SEED="+strconv.FormatUint(e.Seed, 10))
	out, err := cmd.CombinedOutput()
	result := figuresOf(out)
	if err != nil {
		return result, fmt.Errorf("go test -run %s %s: %w\n%s", run, pkg, err, tail(out, 60))
	}
	if _, why, skipped := bytes.Cut(out, []byte("SKIPPED: ")); skipped && result.Cases == 0 {
		line, _, _ := strings.Cut(string(why), "\n")
		return result, Skip("%s", line)
	}
	return result, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return "", errors.Join(errors.New("the module's root was not found: run from a checkout, with the go command in PATH"), err)
	}
	return dir, nil
}

// figuresOf reads the output of go test -v.
func figuresOf(out []byte) Result {
	var r Result
	figure := regexp.MustCompile(`(\w+)=(-?[0-9.]+)([a-zA-Z/%]*)`)
	for line := range bytes.Lines(out) {
		text := strings.TrimSpace(string(line))
		if strings.HasPrefix(text, "--- PASS: ") {
			r.Cases++
		}
		_, list, ok := strings.Cut(text, "figures: ")
		if !ok {
			continue
		}
		for _, m := range figure.FindAllStringSubmatch(list, -1) {
			value, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				continue
			}
			r.Figures = append(r.Figures, Figure{m[1], value, m[3]})
		}
	}
	for _, f := range r.Figures {
		if f.Name == "cases" {
			r.Cases = int(f.Value)
		}
	}
	return r
}

func tail(out []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
