package trace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/engine/core/trace"
)

func rows(n int) string {
	return "INSERT INTO t (a, b) VALUES " + strings.TrimSuffix(strings.Repeat("(?, 'x'), ", n), ", ")
}

func in(n int) string {
	return "SELECT a FROM t WHERE b IN (" + strings.TrimSuffix(strings.Repeat("1, ", n), ", ") + ")"
}

func TestFingerprintSame(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"SELECT a FROM t WHERE b = 1", "select A\nfrom T where B == 'x' ;", "SELECT a FROM t WHERE b=?", "SELECT \"a\" FROM [t] WHERE `b` = :p /* c */", "SELECT a FROM t WHERE b = -1"},
		{in(1), in(2), in(1000), "SELECT a FROM t WHERE b IN (?1, ?2)"},
		{"SELECT a FROM t WHERE (a, b) IN ((1, 2))", "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))"},
		{rows(2), rows(9)},
		{rows(10), rows(99)},
		{rows(500), rows(600)},
		{"SELECT a != b", "SELECT a <> b"},
	} {
		for _, sql := range same[1:] {
			if a, b := trace.Describe(same[0]).Fingerprint, trace.Describe(sql).Fingerprint; a != b {
				t.Errorf("%.60q has %x, %.60q has %x; want the same", same[0], a, sql, b)
			}
		}
	}
}

func TestFingerprintDifferent(t *testing.T) {
	t.Parallel()
	seen := map[uint64]string{}
	for _, sql := range []string{
		"SELECT a FROM t", "SELECT b FROM t", "SELECT a FROM u", "SELECT a, b FROM t", "SELECT ab FROM t", "SELECT a b FROM t",
		"SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE b - 1", "SELECT a FROM t WHERE b IN (1)",
		"SELECT a FROM t WHERE b IN (1, c)", "SELECT a FROM t WHERE b IN (SELECT 1)", "SELECT \"select\"", "SELECT select",
		rows(1), rows(2), rows(10), rows(100), "INSERT INTO t (a, b) VALUES (?, lower(?))", "INSERT INTO t (a) VALUES (?)",
	} {
		f := trace.Describe(sql).Fingerprint
		if other, found := seen[f]; found {
			t.Errorf("%q and %q share the fingerprint %x", sql, other, f)
		}
		seen[f] = sql
	}
}

// Fingerprints are kept for years beside what was measured for them, so their value is part of the contract.
func TestFingerprintStable(t *testing.T) {
	t.Parallel()
	got := fmt.Sprintf("%016x", trace.Describe("SELECT a FROM t WHERE b IN (1, 2) AND c = 'x'").Fingerprint)
	if want := "417e2e896c9bf2ee"; got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

// Hostile SQL must cost no more than its length: sixteen times the input costs sixteen times as much where the cost is linear, and 256
// times where it is quadratic.
func TestDescribeLinear(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"with ", "in(", "values(", "values(1),", "((", "from a,", "select ", "'", "\"", "/*", "in(1,", "- "} {
		cost := func(n int) time.Duration {
			sql := strings.Repeat(piece, n/len(piece))
			best := time.Hour
			for range 5 {
				start := time.Now()
				trace.Describe(sql)
				best = min(best, time.Since(start))
			}
			return best
		}
		// A machine that does other things makes single figures large, never small: one good pair of them is proof enough.
		var small, large time.Duration
		linear := false
		for try := 0; try < 20 && !linear; try++ {
			small, large = max(cost(1<<14), 50*time.Microsecond), cost(1<<18)
			linear = large <= 128*small
		}
		if !linear {
			t.Errorf("%q: 16 kB cost %v, 256 kB cost %v", piece, small, large)
		}
	}
}
