package suite_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/engine/internal/torture"
	"github.com/tidegate/engine/internal/torture/suite"
)

// TestSuite runs the short form of every scenario, with the seed of the day's run in the output of a failure.
func TestSuite(t *testing.T) {
	for _, s := range suite.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			if s.LongOnly {
				t.Skip("its short form is a test of its own; make torture runs the long form")
			}
			rows := torture.Run(t.Context(), []torture.Scenario{s}, torture.Options{Seed: 1, Progress: t.Output()})
			if torture.Failures(rows) > 0 {
				t.Fatal(rows[0].Why)
			}
			if rows[0].Verdict == torture.Skipped {
				t.Skip(rows[0].Why)
			}
		})
	}
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	promise := regexp.MustCompile(`^P[1-9][0-9]?$`)
	for _, s := range suite.Scenarios() {
		if seen[s.Name] || s.Name == "" || strings.ContainsAny(s.Name, " _") || !promise.MatchString(s.Promise) || s.About == "" || s.Run == nil {
			t.Errorf("scenario %q of %q: name unique, lower case with dashes; promise P1 to P99; what it does; a function", s.Name, s.Promise)
		}
		seen[s.Name] = true
	}
}
