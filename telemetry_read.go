package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/tidegate/engine/core/metric"
	"github.com/tidegate/engine/core/slowlog"
)

// Telemetry is what can be asked of the figures of a database: its metrics, now and as they are stored, and its slow statements. It is safe for
// concurrent use.
type Telemetry struct{ db *DB }

// Telemetry returns the figures of the database. See [Config.Telemetry].
func (db *DB) Telemetry() Telemetry { return Telemetry{db} }

// Metrics in their own words. See the fields.
type (
	// MetricQuery asks for stored values.
	MetricQuery = metric.Query
	// MetricLabel is a label that a series must have.
	MetricLabel = metric.Label
	// MetricSeries is one series of an answer.
	MetricSeries = metric.Series
	// MetricPoint is what happened in a step of a series.
	MetricPoint = metric.Point
	// MetricQueryError says what is wrong with a query.
	MetricQueryError = metric.QueryError
	// SlowEntry is an entry of the slow log.
	SlowEntry = slowlog.Entry
	// SlowFilter says which entries are wanted.
	SlowFilter = slowlog.Filter
	// StatementStats is what is known of the statements of one fingerprint.
	StatementStats = slowlog.Kind
	// PlanStep is a line of a query plan.
	PlanStep = slowlog.PlanStep
)

// MetricDefinition says what a metric is.
type MetricDefinition = metric.Definition

// MetricCatalog lists every metric that there is.
func MetricCatalog() []MetricDefinition {
	var out []MetricDefinition
	for _, id := range metric.All() {
		out = append(out, id.Definition())
	}
	return out
}

// ErrNotStored says that figures are not kept: [TelemetryConfig].Measure, Store or Slow.Log is off, or the file could not be opened, which the log says.
var ErrNotStored = errors.New("engine: telemetry is not kept: set Config.Telemetry (telemetry.measure, telemetry.store, telemetry.slow.log)")

// The media types of [Telemetry.WriteMetrics].
const (
	PrometheusType  = metric.PrometheusType
	OpenMetricsType = metric.OpenMetricsType
)

// WriteMetrics writes the present metrics as the text that Prometheus scrapes, or as OpenMetrics, which has traces as exemplars besides.
//
// # Errors
//
// [ErrNotStored] where nothing is measured; what w fails with.
func (t Telemetry) WriteMetrics(w io.Writer, openMetrics bool) error {
	if t.db.chores.watched == nil {
		return ErrNotStored
	}
	return metric.Write(w, t.db.gather, openMetrics)
}

// Now is the present value of every metric, a point each: of a counter what came since Open, of a histogram the number, the mean and the 50th, 95th and
// 99th percentile of what came in the latest one to two intervals. It is empty where nothing is measured.
func (t Telemetry) Now() []MetricSeries {
	if t.db.chores.watched == nil {
		return nil
	}
	var out []MetricSeries
	at := t.db.clock.Now().Unix()
	t.db.gather(func(r metric.Reading) {
		d := r.ID.Definition()
		s := MetricSeries{Name: d.Name, Kind: d.Kind.String(), Unit: d.Unit, Labels: map[string]string{}, Points: []metric.Point{{At: at, Value: r.Value}}}
		for _, l := range r.Labels {
			s.Labels[l.Key] = l.Value
		}
		if d.Kind == metric.Distribution {
			recent := t.db.chores.watched.window.Recent(&r)
			p := &s.Points[0]
			p.Count, p.Value = recent.Count, recent.Mean()*d.Scale
			for _, q := range []float64{0.5, 0.95, 0.99} {
				p.Quantiles = append(p.Quantiles, float64(recent.Quantile(q))*d.Scale)
			}
		}
		out = append(out, s)
	})
	return out
}

// Metrics answers from what is stored: of 48 hours each interval, of 30 days minutes, of two years hours. A minute is there when it is over.
//
// # Errors
//
// [ErrNotStored]; *[MetricQueryError] for a query that makes no sense.
func (t Telemetry) Metrics(ctx context.Context, q MetricQuery) ([]MetricSeries, error) {
	if t.db.chores.watched == nil || t.db.chores.watched.file == nil {
		return nil, ErrNotStored
	}
	return metric.Find(ctx, t.db.chores.watched.file, t.db.cfg.Telemetry.Interval, t.db.clock.Now(), q)
}

// Slow lists slow statements, newest first. Without a store it has the latest 500.
//
// # Errors
//
// [ErrNotStored] where the slow log is off.
func (t Telemetry) Slow(ctx context.Context, f SlowFilter) ([]SlowEntry, error) {
	if t.db.chores.watched == nil || t.db.chores.watched.slow == nil {
		return nil, ErrNotStored
	}
	if err := t.db.chores.watched.slow.Flush(ctx); err != nil {
		return nil, err
	}
	return t.db.chores.watched.shelf.List(ctx, f)
}

// Statements lists the n fingerprints that have taken most time since Open.
func (t Telemetry) Statements(n int) []StatementStats {
	if t.db.chores.watched == nil || t.db.chores.watched.slow == nil {
		return nil
	}
	return t.db.chores.watched.slow.Kinds(n)
}

// Replayed is what a statement did when it was run again.
type Replayed struct {
	// Duration, Rows and VMSteps are those of the run.
	Duration time.Duration `json:"duration_ns"`
	Rows     int64         `json:"rows"`
	VMSteps  int64         `json:"vm_steps"`
	// Plan is its plan with these bindings.
	Plan []PlanStep `json:"plan"`
}

// Run runs a statement that reads as Replay does, with these arguments.
//
// # Errors
//
// [ErrReadOnly] for a statement that writes; otherwise those of [DB.Query].
func (t Telemetry) Run(ctx context.Context, sql string, args ...any) (Replayed, error) {
	plain, err := plainArgs(args)
	if err != nil {
		return Replayed{}, err
	}
	return t.db.replay(ctx, slowlog.Given{SQL: sql, Args: plain})
}

// Replay runs the statement of a fingerprint again, once with each of its latest bindings that are in memory, as [ClassMaintenance]. Rows are
// counted and dropped. Only what reads is run.
//
// # Errors
//
// [ErrNotStored]; [ErrReadOnly] for a statement that writes; [ErrArgs] where nothing of the fingerprint is in memory; otherwise those of [DB.Query].
func (t Telemetry) Replay(ctx context.Context, fingerprint string) ([]Replayed, error) {
	if t.db.chores.watched == nil || t.db.chores.watched.slow == nil {
		return nil, ErrNotStored
	}
	sets := t.db.chores.watched.slow.Bindings(fingerprint)
	if len(sets) == 0 {
		return nil, argErrorf("Replay: no statement with the fingerprint %q is in memory", fingerprint)
	}
	var out []Replayed
	for _, g := range sets {
		r, err := t.db.replay(ctx, g)
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}
