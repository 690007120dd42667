package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
	"github.com/tidegate/engine/core/alert"
)

const alertBacktestExamples = `  engine alert backtest                            # all rules over the latest 48 hours
  engine alert backtest --rule SignalLatencyHigh --from 7d
  engine alert backtest --expr 'p95(db.client.operation.duration{engine.class="signal"}[2m]) > 30ms for 1m'
  engine alert backtest --from 2026-03-02T09:00:00Z --to 2026-03-02T17:00:00Z --json

It reads the telemetry database, which may be open in a server, and asks nobody. Times are how long ago, or RFC 3339. Rules run through the same evaluation as
live; of more than 48 hours there are minutes, of more than 30 days hours, which a rule for shorter times does not see. Silences count as they were: an alert
that one covered says so. Those that ended more than a month ago are not kept. Sinks are not replayed: whom an alert would have reached, and when, is not said.
`

func runAlertBacktest(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("alert backtest", "[--rule NAME | --expr TEXT] [flags]", alertBacktestExamples)
	s := sourceFlags(f, "config")
	var q engine.AlertBacktest
	f.Func("rule", "this `rule` of the settings; may be given several times", func(name string) error {
		q.Rules = append(q.Rules, name)
		return nil
	})
	f.StringVar(&q.When, "expr", "", "a rule that is not in the settings, as in alerts.rules")
	now := time.Now()
	instant := func(into *time.Time) func(string) error {
		return func(text string) (err error) {
			*into, err = agoOrAt(text, now)
			return err
		}
	}
	f.Func("from", "where to begin; 48h ago by default", instant(&q.From))
	f.Func("to", "where to end; now by default", instant(&q.To))
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 0 {
		return misuse(stderr, "engine alert backtest", errors.New("takes no arguments: --rule names a rule"))
	}
	settings, err := s.load()
	if err != nil {
		return failure(stderr, "alert backtest", err)
	}
	got, err := settings.Engine.Backtest(ctx, q)
	var wrong *engine.BacktestError
	switch {
	case errors.As(err, &wrong):
		return misuse(stderr, "engine alert backtest", errors.New(wrong.Reason))
	case err != nil:
		return failure(stderr, "alert backtest", err)
	case *asJSON:
		return ended(stderr, "alert backtest", writeJSON(stdout, got))
	}
	return ended(stderr, "alert backtest", printBacktest(stdout, &got))
}

// agoOrAt reads how long ago, or an instant.
func agoOrAt(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("write how long ago, such as 6h or 7d, or 2026-03-02T09:00:00Z")
	}
	return at, nil
}

// printBacktest writes what each rule would have done.
func printBacktest(w io.Writer, got *engine.AlertReplay) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s: %d steps of %v, %d gaps\n", got.From.Local().Format(time.DateTime), got.To.Local().Format(time.DateTime), got.Steps, got.Step, got.Gaps)
	for i := range got.Rules {
		backtestLines(&b, &got.Rules[i], got.To)
	}
	_, err := io.WriteString(w, printableLines(b.String()))
	return err
}

func backtestLines(b *strings.Builder, r *engine.AlertPlayed, end time.Time) {
	limit, total := alert.Quantity(r.Limit, r.Unit), time.Duration(0)
	for i := range r.Fired {
		total += r.Fired[i].Lasted(end)
	}
	switch {
	case len(r.Fired) > 0:
		fmt.Fprintf(b, "%-8s %s: %d alerts, %v in all (%s)\n", r.Severity, r.Rule, len(r.Fired), total.Round(time.Second), r.When)
	case len(r.Groups) == 0:
		fmt.Fprintf(b, "%-8s %s: nothing to look at\n", r.Severity, r.Rule)
	default:
		fmt.Fprintf(b, "%-8s %s: no alert\n", r.Severity, r.Rule)
	}
	for i := range r.Fired {
		f := &r.Fired[i]
		how := ""
		if f.Flapping {
			how = ", flapping"
		}
		if f.Ended == nil {
			how += ", goes on"
		}
		switch {
		case f.Silence != 0 && f.Told == nil:
			how += fmt.Sprintf(", not told: silence %d", f.Silence)
		case f.Silence != 0:
			how += fmt.Sprintf(", told at %s after silence %d", f.Told.Local().Format(time.DateTime), f.Silence)
		}
		fmt.Fprintf(b, "           %s for %v%s, at %s%s\n", f.At.Local().Format(time.DateTime), f.Lasted(end).Round(time.Second), labelText(f.Labels), alert.Quantity(f.Value, r.Unit), how)
	}
	for _, g := range r.Groups {
		past := ""
		if g.Longest > 0 && len(r.Fired) == 0 {
			past = fmt.Sprintf(", past it for %v at a stretch", g.Longest)
		}
		fmt.Fprintf(b, "           worst%s %s, limit %s%s\n", labelText(g.Labels), alert.Quantity(g.Worst, r.Unit), limit, past)
	}
}
