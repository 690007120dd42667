// Package torture runs the scenarios that put the promises of docs/reliability.md to the test. A scenario is a plain value; the list of
// them stands in package suite, the program in cmd/torture. Every run prints its seed and can be repeated from it.
//
// A scenario lives in a package of its own beside this one, takes an [Env] and returns a [Result]. It runs in two sizes: [Short] for CI,
// from a test, and [Long] for `make torture`.
package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// Scale is the size of a run.
type Scale uint8

// The sizes.
const (
	Short Scale = iota // seconds: in CI, on every push
	Long               // minutes, with the numbers that the promises state
)

// String returns the size in lower case.
func (s Scale) String() string {
	if s == Long {
		return "long"
	}
	return "short"
}

// Pick returns one of two values by the size.
func Pick[T any](s Scale, short, long T) T {
	if s == Long {
		return long
	}
	return short
}

// Scenario puts one promise to the test.
type Scenario struct {
	Name     string // short, unique, lower case with dashes
	Promise  string // its number in docs/reliability.md: "P1"
	About    string // one line on what is done and what passes
	LongOnly bool   // left out of the short form: it has a test of its own there
	Run      func(context.Context, *Env) (Result, error)
}

// Env is what a scenario is given.
type Env struct {
	Scale Scale
	Seed  uint64                           // all randomness of the scenario comes from it
	Dir   string                           // an empty directory of its own, on a RAM disk where there is one; removed afterwards
	Log   func(format string, args ...any) // progress, for a person who waits; may be called from any goroutine
}

// Rand returns a source of randomness for one part of a scenario. The same seed and part give the same numbers.
func (e *Env) Rand(part uint64) *rand.Rand { return rand.New(rand.NewPCG(e.Seed, part)) }

// Figure is a number that a scenario measured.
type Figure struct {
	Name  string
	Value float64
	Unit  string // "" for a count
}

// String gives name=value with the unit behind it.
func (f Figure) String() string {
	return f.Name + "=" + strconv.FormatFloat(f.Value, 'f', -1, 64) + f.Unit
}

// Result is what a scenario found where it did not fail.
type Result struct {
	Cases   int // crash points, kills, statements… that were tried
	Figures []Figure
}

// Count adds a count to the figures.
func (r *Result) Count(name string, n int) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: float64(n)})
}

// Add adds a figure with its unit, rounded to three digits after the point.
func (r *Result) Add(name string, value float64, unit string) {
	v, err := strconv.ParseFloat(strconv.FormatFloat(value, 'f', 3, 64), 64)
	if err != nil {
		v = value
	}
	r.Figures = append(r.Figures, Figure{name, v, unit})
}

// String lists the figures.
func (r Result) String() string {
	parts := make([]string, len(r.Figures))
	for i, f := range r.Figures {
		parts[i] = f.String()
	}
	return strings.Join(parts, " ")
}

// errSkip is matched by what Skip returns.
var errSkip = errors.New("skipped")

// Skip is the error of a scenario that cannot run here. It shows in the table and fails nothing.
func Skip(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errSkip, fmt.Sprintf(format, args...))
}

// ramDisk is a file system in memory that Linux machines have: crash points need thousands of small files, not durable ones.
const ramDisk = "/dev/shm"

// TempDir makes a directory for a scenario, on the RAM disk where there is one.
func TempDir() (string, error) {
	if dir, err := os.MkdirTemp(ramDisk, "tidegate-torture-"); err == nil {
		return dir, nil
	}
	return os.MkdirTemp("", "tidegate-torture-")
}
