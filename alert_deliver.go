package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/engine/core/alert"
	"github.com/tidegate/engine/core/alert/deliver"
	"github.com/tidegate/engine/core/metric"
)

// AlertDelivery says who is told of alerts, and how patiently. See docs/alert-delivery.md. With [TelemetryConfig].Store alerts that wait to be delivered
// survive the process; otherwise they are kept in memory.
type AlertDelivery struct {
	// Sinks are who is told. None: alerts are written to Config.Logger.
	Sinks []AlertSink
	// Endpoints are where messages of sinks go: sinks open no connections.
	Endpoints []AlertEndpoint
	// Timeout is how long one attempt may take. Default 10 s.
	Timeout time.Duration
	// FirstDelay is the most that the second attempt waits; the ceiling doubles with each further one up to LongestDelay, and the delay itself is drawn evenly
	// below it. Default 1 s and 5 min.
	FirstDelay, LongestDelay time.Duration
	// Age is for how long an alert is tried, before it is a dead letter. Default 24 h.
	Age time.Duration
	// Attempts is how often at most. Default 0: as often as Age allows.
	Attempts int
	// Queue is how many alerts may wait for a sink; over it the oldest become dead letters. Default 1000.
	Queue int
}

// Delivery of alerts in its own words. See the fields.
type (
	// AlertSink is somebody who is told.
	AlertSink = deliver.Sink
	// AlertEndpoint is where messages go.
	AlertEndpoint = deliver.Endpoint
	// AlertDiagnosis is what is known of the cause of an alert.
	AlertDiagnosis = alert.Diagnosis
	// AlertLetter is an alert that did not get to a sink.
	AlertLetter = deliver.Letter
	// AlertTrial is what a sink answered to a test.
	AlertTrial = deliver.Trial
	// AlertSinkState is how a sink fares.
	AlertSinkState = deliver.SinkState
	// Secret is a text that is not shown.
	Secret = deliver.Secret
)

func defaultAlertDelivery() AlertDelivery {
	p := deliver.DefaultPatience()
	return AlertDelivery{Timeout: p.Timeout, FirstDelay: p.Base, LongestDelay: p.Most, Age: p.Age, Attempts: p.Attempts, Queue: p.Queue}
}

// mistakes lists what is wrong, without secrets.
func (d *AlertDelivery) mistakes() (bad []string) {
	wrong := func(key, format string, a ...any) {
		bad = append(bad, "alerts.deliver."+key+": "+fmt.Sprintf(format, a...))
	}
	for key, v := range map[string]time.Duration{"timeout": d.Timeout, "first_delay": d.FirstDelay, "age": d.Age} {
		if v <= 0 {
			wrong(key, "must be positive, got %v", v)
		}
	}
	if d.LongestDelay < d.FirstDelay {
		wrong("longest_delay", "must be positive, and at least alerts.deliver.first_delay, got %v", d.LongestDelay)
	}
	if d.Attempts < 0 {
		wrong("attempts", "must not be negative; 0 is as often as the age allows")
	}
	if d.Queue < 1 {
		wrong("queue", "must be positive, got %d", d.Queue)
	}
	seen := map[string]bool{}
	for i := range d.Endpoints {
		e := &d.Endpoints[i]
		for _, m := range e.Mistakes() {
			wrong("endpoints", "%q: %s", e.Name, m)
		}
		if seen[e.Name] {
			wrong("endpoints", "there are two of the name %q", e.Name)
		}
		seen[e.Name] = true
	}
	seen = map[string]bool{}
	for _, s := range d.Sinks {
		switch {
		case s.Name == "" || s.To == nil:
			wrong("sinks", "%q: needs a name, and somebody who is told", s.Name)
		case seen[s.Name]:
			wrong("sinks", "there are two of the name %q", s.Name)
		case s.Repeat < 0 || s.Heartbeat < 0 || s.Repeat > 0 && s.Repeat < time.Second || s.Heartbeat > 0 && s.Heartbeat < time.Second:
			wrong("sinks", "%q: repeat and heartbeat must be a second at least; 0 is never", s.Name)
		case s.Least > AlertCritical:
			wrong("sinks", "%q: least must be info, warning or critical", s.Name)
		}
		seen[s.Name] = true
	}
	return bad
}

// courier starts the delivery of alerts; nil where the log is all who is told.
func (db *DB) courier(ctx context.Context) *deliver.Courier {
	d, t := &db.cfg.Alerts.Deliver, db.chores.watched
	if len(d.Sinks) == 0 {
		return nil
	}
	c := deliver.Config{Sinks: d.Sinks, Endpoints: d.Endpoints, File: t.file, Engine: namespace(db.store.Location()), Clock: db.clock, Log: db.log,
		StillFiring: func(id int64) bool { b := t.alarms.known.Load(); return b == nil || b.Firing(id) },
		Patience:    deliver.Patience{Timeout: d.Timeout, Base: d.FirstDelay, Most: d.LongestDelay, Age: d.Age, Attempts: d.Attempts, Queue: d.Queue}}
	if c.File != nil {
		c.Leads = db.leads()
	}
	k, err := deliver.New(ctx, c)
	if err != nil && c.File != nil {
		db.log.Error("alerts that wait to be delivered cannot be read: new ones are kept in memory until the next start", "file", c.File.Path(), "error", err)
		c.File = nil
		k, err = deliver.New(ctx, c)
	}
	if err != nil { // Open has checked all that it could say
		db.log.Error("alerts are written to the log alone", "error", err)
		return nil
	}
	return k
}

// dismiss ends the delivery. What is stored goes on with the next start.
func (a *alarms) dismiss(db *DB) {
	defer a.giveTurn(db)
	if a.courier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.courier.Close(ctx); err != nil {
		db.log.Error("alerts are lost", "error", err)
	}
}

// ErrNoSinks says that nobody is told of alerts but the log: [AlertDelivery].Sinks is empty, or [TelemetryConfig].Measure is off.
var ErrNoSinks = errors.New("engine: nobody is told of alerts but the log: set Config.Alerts.Deliver.Sinks (alerts.sinks) and Config.Telemetry.Measure")

func (a Alerts) courier() (*deliver.Courier, error) {
	if t := a.db.chores.watched; t != nil && t.alarms.courier != nil {
		return t.alarms.courier, nil
	}
	return nil, ErrNoSinks
}

// Test sends an alert that says it is a test, and the word that it is over, to the sink of that name, or to all of them for "", and tells what each
// answered. It goes the way of real alerts, but does not wait, is not tried again, and passes the breaker by. An unknown name gives an empty answer.
//
// # Errors
//
// [ErrNoSinks].
func (a Alerts) Test(ctx context.Context, sink string) ([]AlertTrial, error) {
	k, err := a.courier()
	if err != nil {
		return nil, err
	}
	return k.Test(ctx, sink), nil
}

// Dead lists the n newest alerts that could not be delivered, newest first. A thousand are kept.
//
// # Errors
//
// [ErrNoSinks]; those of reading the telemetry database.
func (a Alerts) Dead(ctx context.Context, n int) ([]AlertLetter, error) {
	k, err := a.courier()
	if err != nil {
		return nil, err
	}
	return k.Dead(ctx, n)
}

// Resend has a dead letter delivered after all, or every one for 0, and says how many. Those for sinks that are not configured any more stay.
//
// # Errors
//
// [ErrNoSinks]; those of writing the telemetry database.
func (a Alerts) Resend(ctx context.Context, letter int64) (int, error) {
	k, err := a.courier()
	if err != nil {
		return 0, err
	}
	return k.Resend(ctx, letter)
}

// Sinks tells how each sink fares.
//
// # Errors
//
// [ErrNoSinks].
func (a Alerts) Sinks(ctx context.Context) ([]AlertSinkState, error) {
	k, err := a.courier()
	if err != nil {
		return nil, err
	}
	return k.State(ctx), nil
}

// deliveries adds how sinks fare.
func (a adder) deliveries(k *deliver.Courier) {
	if k == nil {
		return
	}
	const sink = "engine.alert.sink"
	for _, s := range k.State(context.Background()) {
		for outcome, n := range s.Counts {
			a.value(metric.AlertsDelivered, float64(n), "engine.alert.outcome", outcome, sink, s.Sink)
		}
		a.value(metric.AlertsWaiting, float64(s.Waiting), sink, s.Sink)
		a.value(metric.AlertsDead, float64(s.Dead), sink, s.Sink)
	}
}

var _ alert.Outbox = (*deliver.Courier)(nil)
