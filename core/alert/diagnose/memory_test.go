package diagnose_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert/diagnose"
)

// fill adds n intervals of ten seconds, in each of which something was counted once.
func fill(m *diagnose.Memory, at *time.Time, n int, what string) {
	for range n {
		*at = at.Add(10 * time.Second)
		m.Add(&diagnose.Digest{At: *at, Span: 10 * time.Second, Intervals: 1, Serial: uint64(m.Intervals()), Counts: map[string]float64{what: 1}})
	}
}

// What happened since an alert began is apart from what is usual, and what came shortly before it is in neither.
func TestMemoryAround(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after, now, usualLow, usualHigh int }{
		{before: 400, after: 6, now: 6, usualLow: 300, usualHigh: 370},
		{before: 10, after: 3, now: 3, usualLow: 7, usualHigh: 9},
		{before: 2, after: 1, now: 1, usualLow: 2, usualHigh: 2},
		{before: 0, after: 1, now: 1},
		{before: 0, after: 0},
	} {
		t.Run(fmt.Sprint(c.before, c.after), func(t *testing.T) {
			var m diagnose.Memory
			at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			fill(&m, &at, c.before, "well")
			since := at.Add(10 * time.Second)
			fill(&m, &at, c.after, "ill")
			now, usual := m.Around(since)
			if now.Intervals != c.now || now.Counts["ill"] != float64(c.now) || now.Counts["well"] != 0 {
				t.Errorf("now: %d intervals, %v", now.Intervals, now.Counts)
			}
			if usual.Intervals < c.usualLow || usual.Intervals > c.usualHigh || usual.Counts["ill"] != 0 || usual.Counts["well"] != float64(usual.Intervals) {
				t.Errorf("usual: %d intervals, %v", usual.Intervals, usual.Counts)
			}
			if c.now > 0 && now.Serial != uint64(c.before) {
				t.Errorf("its first operation is behind %d, want %d", now.Serial, c.before)
			}
		})
	}
}

// Where the alert began before the engine did, the latest interval is looked at all the same; a day is kept, and no more.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m diagnose.Memory
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	fill(&m, &at, 12_000, "x") // 33 hours
	if n := m.Intervals(); n > 9200 || n < 8000 {
		t.Errorf("%d intervals are kept, want about a day", n)
	}
	if now, _ := m.Around(at.Add(time.Hour)); now.Intervals != 1 {
		t.Errorf("%d intervals of an alert from the future", now.Intervals)
	}
	var d diagnose.Digest
	for i := range 2000 {
		d.Then(&diagnose.Digest{Intervals: 1, Statements: map[string]diagnose.Work{fmt.Sprint(i): {Calls: 1, Took: time.Duration(i)}},
			Holds: map[string]diagnose.Hold{fmt.Sprint(i): {Calls: 1, Held: time.Duration(i)}}})
	}
	if len(d.Statements) > 256 || len(d.Holds) > 256 || d.Statements["1999"].Calls != 1 || d.Busiest()[0] != "1999" {
		t.Errorf("%d fingerprints and %d names are kept", len(d.Statements), len(d.Holds))
	}
}

// Merging changes nothing that was merged: what is kept of an hour is looked at time and again.
func TestMemoryIsLookedAtTwice(t *testing.T) {
	t.Parallel()
	var m diagnose.Memory
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	fill(&m, &at, 500, "x")
	_, first := m.Around(at)
	_, second := m.Around(at)
	if first.Counts["x"] != second.Counts["x"] || first.Intervals != second.Intervals {
		t.Errorf("%v and then %v", first.Counts, second.Counts)
	}
}
