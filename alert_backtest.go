package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/sidecar"
)

// AlertBacktest asks what rules would have done.
type AlertBacktest struct {
	// Rules names those of the configuration; empty is all of them, where there is no When.
	Rules []string
	// When is a rule that is not configured, as in [AlertRule]; it is called "expression".
	When string
	// From and To bound the time. Zero is 48 hours ago, and now. Of the latest 48 hours there is each interval, of 30 days each minute, of two years each hour.
	From, To time.Time
}

// AlertReplay is what rules would have done.
type AlertReplay struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Step is how fine the stored metrics are, Steps how many there were, Gaps how often some were missing between two.
	Step  time.Duration `json:"step_ns"`
	Steps int           `json:"steps"`
	Gaps  int           `json:"gaps"`
	Rules []AlertPlayed `json:"rules"`
}

// AlertPlayed is what one rule would have done.
type AlertPlayed = alert.Played

// BacktestError says what is wrong with a question to [Config.Backtest].
type BacktestError struct{ Reason string }

// Error says it.
func (e *BacktestError) Error() string { return "engine: backtest: " + e.Reason }

// Backtest runs rules over what the telemetry database of this configuration holds, through the same evaluation as live. The database may be open elsewhere.
//
// # Errors
//
// *[BacktestError] for a question that makes no sense; [ErrNotStored] where there is no telemetry database; *[ConfigError] for rules of the configuration that
// are wrong; those of reading.
func (c Config) Backtest(ctx context.Context, q AlertBacktest) (AlertReplay, error) {
	if q.To.IsZero() {
		q.To = time.Now()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-48 * time.Hour)
	}
	out := AlertReplay{From: q.From.UTC(), To: q.To.UTC()}
	if !q.From.Before(q.To) {
		return out, &BacktestError{"it ends before it begins"}
	}
	rules, err := c.backtested(&q)
	if err != nil {
		return out, err
	}
	path, err := c.telemetryPath()
	if err != nil {
		return out, err
	}
	file, err := sidecar.OpenReadOnly(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("%w: there is no %s", ErrNotStored, path)
	}
	if err != nil {
		return out, typed(err, "")
	}
	defer file.Close()
	if out.Step, err = metric.ReplayStep(ctx, file, c.Telemetry.Interval, q.From); err != nil {
		return out, typed(err, "")
	}
	var test *alert.Backtest
	err = metric.Replay(ctx, file, out.Step, q.From, q.To, func(name string) bool {
		return slices.ContainsFunc(rules, func(r alert.Rule) bool { return slices.Contains(r.Metrics(), name) })
	}, func(at time.Time, readings []metric.Reading) error {
		if test == nil {
			test = alert.NewBacktest(rules, out.Step, at.Add(-out.Step))
		}
		test.Step(at, alertSamples(test, readings))
		return nil
	})
	if err != nil {
		return out, typed(err, "")
	}
	if test == nil {
		test = alert.NewBacktest(rules, out.Step, q.From)
	}
	silences, err := alert.NewShelf(file).Silences(ctx, time.Time{})
	if err != nil && sqlite.ClassOf(err) != sqlite.SQL { // a file of before there were any has no table of them
		return out, typed(err, "")
	}
	out.Rules, out.Steps, out.Gaps = test.Result(silences), test.Steps, test.Gaps
	return out, nil
}

// backtested are the rules that are asked for.
func (c *Config) backtested(q *AlertBacktest) ([]alert.Rule, error) {
	rules, bad := c.alertRules()
	if len(bad) > 0 {
		return nil, &ConfigError{bad}
	}
	var out []alert.Rule
	for _, name := range q.Rules {
		i := slices.IndexFunc(rules, func(r alert.Rule) bool { return r.Name == name })
		if i < 0 {
			return nil, &BacktestError{fmt.Sprintf("there is no rule %q, or it is switched off: docs/alerts.md lists them", name)}
		}
		out = append(out, rules[i])
	}
	if q.When != "" {
		own, bad := alert.Compile([]alert.Definition{{Name: "expression", Severity: alert.Warning, When: q.When}}, alertMetrics())
		if len(bad) > 0 {
			return nil, &BacktestError{bad[0]}
		}
		out = append(out, own...)
	}
	if len(out) == 0 {
		return rules, nil
	}
	return out, nil
}

// telemetryPath is where the telemetry database of a configuration is.
func (c *Config) telemetryPath() (string, error) {
	if c.Telemetry.Path != "" {
		return c.Telemetry.Path, nil
	}
	loc, err := sqlite.ParseURL(c.URL)
	if err != nil {
		return "", &ConfigError{[]string{"url: " + err.Error()}}
	}
	if loc.Memory {
		return "", fmt.Errorf("%w; a database in memory has none unless telemetry.path names it", ErrNotStored)
	}
	return loc.Path + ".telemetry.db", nil
}
