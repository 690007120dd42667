package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/core/metric"
)

// AlertsConfig says which alerts there are. They are evaluated over the metrics, so [TelemetryConfig].Measure is needed. See docs/alerts.md.
type AlertsConfig struct {
	// Evaluate switches alerts on. Default true.
	Evaluate bool
	// Off names default rules that are not evaluated.
	Off []string
	// Limits give default rules other limits: each is a rule's name with what would stand behind its expression, as in
	// "SignalLatencyHigh > 80ms resolve < 60ms for 2m". What is not said stays.
	Limits []string
	// Rules are further rules.
	Rules []AlertRule
	// Deliver says who is told.
	Deliver AlertDelivery
}

// Alerts in their own words. See the fields.
type (
	// AlertRule is a rule as it is written.
	AlertRule = alert.Definition
	// AlertSeverity says how much an alert matters.
	AlertSeverity = alert.Severity
	// AlertLabel tells alerts of one rule apart.
	AlertLabel = alert.Label
	// AlertEntry is an alert with what became of it.
	AlertEntry = alert.Entry
	// AlertHappening is a line of the history of alerts.
	AlertHappening = alert.Happening
	// AlertSilence keeps alerts from being told for a time.
	AlertSilence = alert.Silence
	// AlertSilenceError says what is wrong with a silence.
	AlertSilenceError = alert.SilenceError
)

// The severities of alerts.
const (
	AlertInfo     = alert.Info
	AlertWarning  = alert.Warning
	AlertCritical = alert.Critical
)

// DefaultAlertRules lists the rules that every database has unless [AlertsConfig] says otherwise, as they are with this configuration.
func (c Config) DefaultAlertRules() []AlertRule {
	return alert.Defaults(alert.Sizes{WALCap: c.WAL.Cap, WALHard: c.WAL.Hard})
}

// alertRules reads the rules.
func (c *Config) alertRules() (rules []alert.Rule, bad []string) {
	metrics := alertMetrics()
	rules, mistakes := alert.Compile(c.DefaultAlertRules(), metrics)
	for _, m := range mistakes { // the sizes of a log that make no sense have mistakes of their own
		bad = append(bad, "alerts: "+m)
	}
	known := func(name string) int {
		return slices.IndexFunc(rules, func(r alert.Rule) bool { return r.Name == name })
	}
	for _, text := range c.Alerts.Limits {
		name, limit, _ := strings.Cut(strings.TrimSpace(text), " ")
		i := known(name)
		if i < 0 {
			bad = append(bad, fmt.Sprintf("alerts.limits: there is no default rule %q: docs/alerts.md lists them", name))
			continue
		}
		adjusted, err := rules[i].Adjust(limit)
		if err != nil {
			bad = append(bad, fmt.Sprintf("alerts.limits: %s: %v", name, err))
			continue
		}
		rules[i] = adjusted
	}
	for _, name := range c.Alerts.Off {
		if known(name) < 0 {
			bad = append(bad, fmt.Sprintf("alerts.off: there is no default rule %q: docs/alerts.md lists them", name))
		}
	}
	rules = slices.DeleteFunc(rules, func(r alert.Rule) bool { return slices.Contains(c.Alerts.Off, r.Name) })
	own, mistakes := alert.Compile(c.Alerts.Rules, metrics)
	for _, m := range mistakes {
		bad = append(bad, "alerts.rules: "+m)
	}
	for _, r := range own {
		if known(r.Name) >= 0 {
			bad = append(bad, fmt.Sprintf("alerts.rules: %s: a default rule has this name: take another one, or switch that off in alerts.off", r.Name))
			continue
		}
		rules = append(rules, r)
	}
	return rules, bad
}

func (c *Config) alertMistakes() []string {
	_, bad := c.alertRules()
	return bad
}

// alertMetrics are what rules may ask about: all that comes in each interval.
func alertMetrics() []alert.Metric {
	var out []alert.Metric
	for _, id := range metric.All() {
		d := id.Definition()
		if d.Stored {
			continue
		}
		m := alert.Metric{Name: d.Name, Unit: d.Unit, Kind: alertKind(d.Kind), Scale: d.Scale}
		if d.Labels != "" {
			m.Labels = strings.Split(d.Labels, ", ")
		}
		out = append(out, m)
	}
	return out
}

func alertKind(k metric.Kind) alert.Kind {
	return [...]alert.Kind{metric.Counter: alert.Counter, metric.Gauge: alert.Gauge, metric.Distribution: alert.Distribution}[k]
}

// alarms are what watches over the metrics.
type alarms struct {
	board   *alert.Board                // nil: nothing is evaluated
	courier *deliver.Courier            // nil: the log is all who is told
	known   atomic.Pointer[alert.Board] // the board, for the courier, which begins first
	lease   *alert.Lease                // nil: there is nobody else who could tell
}

// standWatch begins to evaluate the rules, which Open has checked.
func (db *DB) standWatch(ctx context.Context) {
	t := db.chores.watched
	db.takeTurn(ctx)
	t.alarms.courier = db.courier(ctx)
	if !db.cfg.Alerts.Evaluate {
		return
	}
	rules, _ := db.cfg.alertRules()
	c := alert.BoardConfig{Rules: rules, Interval: db.cfg.Telemetry.Interval, Start: db.clock.Now(), File: t.file, Lease: t.alarms.lease, Diagnoser: detective{db}, Log: db.log}
	if t.alarms.courier != nil {
		c.Outbox = t.alarms.courier
	}
	board, err := alert.NewBoard(ctx, c)
	if err != nil {
		db.log.Warn("the alerts of before cannot be read: they are kept in memory until the next start", "file", t.file.Path(), "error", err)
		c.File = nil
		board, _ = alert.NewBoard(ctx, c) // nothing is read without a file
	}
	t.alarms.board = board
	t.alarms.known.Store(board)
	if t.file != nil {
		begun := db.clock.Now()
		db.chores.wg.Go(func() { db.recall(begun, db.chores.stop) })
	}
	if t.alarms.lease != nil {
		tick := db.clock.Tick(alert.LeaseBeat)
		db.chores.wg.Go(func() { db.keepTurn(tick, db.chores.stop) })
	}
}

// evaluate looks what the rules say of the readings of now.
func (db *DB) evaluate(now time.Time, readings []metric.Reading) {
	board := db.chores.watched.alarms.board
	if board == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // what is asked about a cause does not delay the end
		select {
		case <-db.chores.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := board.Evaluate(ctx, now, alertSamples(board, readings)); err != nil {
		db.log.Warn("the states of alerts were not stored; the next interval tries again", "error", err)
	}
}

// alertSamples are the readings that rules ask about.
func alertSamples(of interface{ Wants(string) bool }, readings []metric.Reading) []alert.Sample {
	out := make([]alert.Sample, 0, len(readings))
	for i := range readings {
		r := &readings[i]
		name := r.ID.Definition().Name
		if !of.Wants(name) {
			continue
		}
		s := alert.Sample{Name: name, Value: r.Value, Histogram: r.Histogram, Labels: make([]alert.Label, 0, len(r.Labels))}
		for _, l := range r.Labels {
			s.Labels = append(s.Labels, alert.Label(l))
		}
		out = append(out, s)
	}
	return out
}

// Alerts are the alerts of a database: what goes on, what was, and the silences. They are safe for concurrent use.
type Alerts struct{ db *DB }

// Alerts returns the alerts of the database. See [Config.Alerts].
func (db *DB) Alerts() Alerts { return Alerts{db} }

// ErrNoAlerts says that nothing is evaluated: [AlertsConfig].Evaluate or [TelemetryConfig].Measure is off.
var ErrNoAlerts = errors.New("engine: alerts are off: set Config.Alerts.Evaluate and Config.Telemetry.Measure (alerts.evaluate, telemetry.measure)")

func (a Alerts) board() (*alert.Board, error) {
	if t := a.db.chores.watched; t != nil && t.alarms.board != nil {
		return t.alarms.board, nil
	}
	return nil, ErrNoAlerts
}

// Firing lists the alerts that go on, the most severe first, silenced ones included.
//
// # Errors
//
// [ErrNoAlerts].
func (a Alerts) Firing() ([]AlertEntry, error) {
	b, err := a.board()
	if err != nil {
		return nil, err
	}
	return b.Open(), nil
}

// Latest lists the n newest alerts, newest first, those that have ended among them. A thousand of these are kept; without a store, those of this process.
//
// # Errors
//
// [ErrNoAlerts]; those of reading the telemetry database.
func (a Alerts) Latest(ctx context.Context, n int) ([]AlertEntry, error) {
	b, err := a.board()
	if err != nil {
		return nil, err
	}
	return b.Latest(ctx, n)
}

// History lists the n latest things that have happened to alerts, newest first, of the ten thousand that are kept.
//
// # Errors
//
// [ErrNoAlerts]; those of reading the telemetry database.
func (a Alerts) History(ctx context.Context, n int) ([]AlertHappening, error) {
	b, err := a.board()
	if err != nil {
		return nil, err
	}
	return b.History(ctx, n)
}

// Silences lists the silences that go on.
//
// # Errors
//
// [ErrNoAlerts].
func (a Alerts) Silences() ([]AlertSilence, error) {
	b, err := a.board()
	if err != nil {
		return nil, err
	}
	return b.Silences(), nil
}

// Silence keeps alerts from being told, from now until s.Until, and returns it with its number. They are evaluated and stored all the same, and one
// that still goes on when the silence ends is told then.
//
// # Errors
//
// [ErrNoAlerts]; *[AlertSilenceError] for one that makes no sense; those of writing the telemetry database.
func (a Alerts) Silence(ctx context.Context, s AlertSilence) (AlertSilence, error) {
	b, err := a.board()
	if err != nil {
		return s, err
	}
	return b.Silence(ctx, s, a.db.clock.Now())
}

// EndSilence ends a silence before its time.
//
// # Errors
//
// [ErrNoAlerts]; *[AlertSilenceError] where there is none of the number; those of writing the telemetry database.
func (a Alerts) EndSilence(ctx context.Context, id int64) error {
	b, err := a.board()
	if err != nil {
		return err
	}
	return b.EndSilence(ctx, id, a.db.clock.Now())
}

// AlertState is where a rule stands for one group of labels.
type AlertState = alert.Standing

// States is where each rule stands for each group of labels of which something is known. A rule without any has had nothing to look at yet.
//
// # Errors
//
// [ErrNoAlerts].
func (a Alerts) States() ([]AlertState, error) {
	b, err := a.board()
	if err != nil {
		return nil, err
	}
	return b.Standings(), nil
}

// Rules lists the rules that are evaluated.
//
// # Errors
//
// [ErrNoAlerts].
func (a Alerts) Rules() ([]AlertRule, error) {
	b, err := a.board()
	if err != nil {
		return nil, err
	}
	var out []AlertRule
	for _, r := range b.Rules() {
		out = append(out, r.Definition)
	}
	return out, nil
}

// Evaluated is when the rules were evaluated the last time; zero before the first time.
//
// # Errors
//
// [ErrNoAlerts].
func (a Alerts) Evaluated() (time.Time, error) {
	b, err := a.board()
	if err != nil {
		return time.Time{}, err
	}
	return b.Looked(), nil
}
