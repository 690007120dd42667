package alert_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/tidegate/engine/core/alert"
)

// A lesson teaches what the same steps would have taught live, adds to what is known already, and leaves out what steps are too long for.
func TestLesson(t *testing.T) {
	t.Parallel()
	rules, mistakes := alert.Compile([]alert.Definition{{Name: "Wide", When: "drift(increase(err[2m])) > 3"}, {Name: "Narrow", When: "drift(increase(err[30s])) > 3"},
		{Name: "None", When: "max(level) > 3"}}, metrics())
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	now := start().Add(30 * time.Minute) // in the middle of an hour
	board, err := alert.NewBoard(t.Context(), alert.BoardConfig{Rules: rules, Interval: interval, Start: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l := board.Lesson()
	if l == nil || !l.Wants("err") || l.Wants("level") {
		t.Fatal("it is about other metrics")
	}
	at, total := now.Add(-4*time.Hour), 0.0
	l.Begin(time.Minute, at)
	for at.Before(now) {
		at, total = at.Add(time.Minute), total+6
		l.Step(at, []alert.Sample{{Name: "err", Value: total}})
	}
	board.Learn(l)
	total = 0
	for range 30 {
		now, total = now.Add(interval), total+1
		if err := board.Evaluate(t.Context(), now, []alert.Sample{{Name: "err", Value: total}}); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]float64{}
	for _, s := range board.Standings() {
		found[s.Rule] = s.Value
	}
	if v, known := found["Wide"]; !known || v < 0.9 || v > 1.1 {
		t.Errorf("as much as usual is %v times the usual, %v", v, known)
	}
	if v, known := found["Narrow"]; known {
		t.Errorf("minutes say nothing of 30 s, and it is said to be %v times the usual", v)
	}
	none, err := alert.NewBoard(t.Context(), alert.BoardConfig{Rules: rules[2:], Interval: interval, Start: now})
	if err != nil || none.Lesson() != nil {
		t.Errorf("there is nothing to learn: %v", err)
	}
}
