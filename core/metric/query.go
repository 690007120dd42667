package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

// Query asks for stored values.
type Query struct {
	// Name is that of the metric.
	Name string
	// Labels are those that a series must have, among others.
	Labels []Label
	// From and To bound the time; To is excluded.
	From, To time.Time
	// Step is the distance of two points; 0 is what gives at most 360 of them: minutes of six hours. It is rounded up to what is stored.
	Step time.Duration
	// Quantiles are those wanted of a histogram, each from 0 to 1; none is 0.5, 0.95 and 0.99.
	Quantiles []float64
}

// Series is one series of an answer.
type Series struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Kind   string            `json:"kind"`
	Unit   string            `json:"unit"`
	// Step is the distance of two points, in seconds.
	Step   int64   `json:"step_s"`
	Points []Point `json:"points"`
}

// Point is what happened in a step. Steps in which nothing came are left out.
type Point struct {
	// At is when the step began, in seconds since 1970.
	At int64 `json:"at"`
	// Value is what came of a counter, the mean of a gauge and of a histogram's values.
	Value float64 `json:"value"`
	// Low and High are the bounds of a gauge.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// Count is the number of values of a histogram, Quantiles are in the order in which they were asked for.
	Count     int64     `json:"count,omitempty"`
	Quantiles []float64 `json:"quantiles,omitempty"`
}

// QueryError says what is wrong with a query.
type QueryError struct{ Why string }

// Error says it.
func (e *QueryError) Error() string { return "metrics: " + e.Why }

// maxPoints bounds the points of a series.
const maxPoints = 20_000

// Find answers a query from a file that has the Schema. interval is that with which it was written.
//
// # Errors
//
// *QueryError for one that makes no sense, and what reading fails with.
func Find(ctx context.Context, file *sidecar.File, interval time.Duration, now time.Time, q Query) ([]Series, error) {
	if q.Name == "" || !q.From.Before(q.To) || q.Step < 0 {
		return nil, &QueryError{"a query has the name of a metric, and a begin before its end"}
	}
	if len(q.Quantiles) == 0 {
		q.Quantiles = []float64{0.5, 0.95, 0.99}
	}
	for _, p := range q.Quantiles {
		if !(p >= 0 && p <= 1) {
			return nil, &QueryError{"quantiles are from 0 to 1"}
		}
	}
	i, step := resolve(&q, interval, now)
	if q.To.Sub(q.From)/step > maxPoints {
		return nil, &QueryError{fmt.Sprintf("more than %d points: take a longer step", maxPoints)}
	}
	var out []Series
	err := file.Read(ctx, func(c *sqlite.Conn) error {
		var ids []int64
		err := sidecar.Each(c, "SELECT id, labels, kind, unit FROM series WHERE name = ? ORDER BY labels", []any{q.Name}, func(v []sqlite.Value) error {
			s := Series{Name: q.Name, Kind: string(v[2].Bytes), Unit: string(v[3].Bytes), Step: int64(step / time.Second), Points: []Point{}}
			if err := json.Unmarshal(v[1].Bytes, &s.Labels); err != nil {
				return err
			}
			if q.matches(s.Labels) {
				ids, out = append(ids, v[0].Int), append(out, s)
			}
			return nil
		})
		for k := range out {
			if err == nil {
				err = fill(c, &out[k], ids[k], i, levels[i].stepOf(interval), &q)
			}
		}
		return err
	})
	return slices.DeleteFunc(out, func(s Series) bool { return len(s.Points) == 0 }), err
}

// resolve chooses the level: the coarsest one that is fine enough, or a coarser one where that is not kept any more.
func resolve(q *Query, interval time.Duration, now time.Time) (i int, step time.Duration) {
	step = q.Step
	if step == 0 {
		step = q.To.Sub(q.From) / 360
	}
	for i+1 < len(levels) && levels[i+1].step <= step {
		i++
	}
	if d, ok := lookUp(q.Name); i == 0 && ok && d.Stored {
		i = 1
	}
	for i+1 < len(levels) && q.From.Before(now.Add(-levels[i].keep)) {
		i++
	}
	unit := levels[i].stepOf(interval)
	return i, max(unit, (step+unit-1)/unit*unit)
}

func lookUp(name string) (Definition, bool) {
	for _, id := range All() {
		if d := id.Definition(); d.Name == name {
			return d, true
		}
	}
	return Definition{}, false
}

func (q *Query) matches(labels map[string]string) bool {
	for _, l := range q.Labels {
		if labels[l.Key] != l.Value {
			return false
		}
	}
	return true
}

// times are those at which a series may have a value: rows are ordered by time, so it is looked up at each.
const times = "WITH RECURSIVE times(t) AS (SELECT ?1 WHERE ?1 < ?2 UNION ALL SELECT t + ?3 FROM times WHERE t + ?3 < ?2) "

// fill reads the points of a series. unit is the step of the level.
func fill(c *sqlite.Conn, s *Series, id int64, i int, unit time.Duration, q *Query) error {
	bounds := []any{q.From.Unix() / s.Step * s.Step, q.To.Unix(), int64(unit / time.Second), id}
	if s.Kind == Distribution.String() {
		return fillHistogram(c, s, i, bounds, q.Quantiles)
	}
	columns := "sum(value), count(*), min(value), max(value)"
	if i > 0 {
		columns = "sum(total), sum(samples), min(low), max(high)"
	}
	sql := fmt.Sprintf(times+"SELECT at / ?5 * ?5 AS start, %s FROM times CROSS JOIN %s WHERE at = t AND series = ?4 GROUP BY start ORDER BY start", columns, levels[i].name)
	return sidecar.Each(c, sql, append(bounds, s.Step), func(v []sqlite.Value) error {
		p := Point{At: v[0].Int, Value: v[1].Float}
		if s.Kind == Gauge.String() {
			p.Value, p.Low, p.High = v[1].Float/float64(v[2].Int), v[3].Float, v[4].Float
		}
		s.Points = append(s.Points, p)
		return nil
	})
}

func fillHistogram(c *sqlite.Conn, s *Series, i int, bounds []any, quantiles []float64) error {
	scale := 1.0
	if s.Unit == "s" {
		scale = nanoseconds
	}
	var sum histogram.Snapshot
	at := int64(-1)
	flush := func() {
		if sum.Count == 0 {
			return
		}
		p := Point{At: at, Count: sum.Count, Value: sum.Mean() * scale}
		for _, q := range quantiles {
			p.Quantiles = append(p.Quantiles, float64(sum.Quantile(q))*scale)
		}
		s.Points = append(s.Points, p)
		sum = histogram.Snapshot{}
	}
	sql := times + "SELECT at, data FROM times CROSS JOIN " + levels[i].name + "_histogram WHERE at = t AND series = ?4 ORDER BY at"
	err := sidecar.Each(c, sql, bounds, func(v []sqlite.Value) error {
		h, err := histogram.Decode(v[1].Bytes)
		if err != nil {
			return err
		}
		if start := v[0].Int / s.Step * s.Step; start != at {
			flush()
			at = start
		}
		sum = sum.Merge(h)
		return nil
	})
	flush()
	return err
}

// ParseLabels reads labels that are written as key=value, each.
func ParseLabels(texts []string) ([]Label, error) {
	var out []Label
	for _, t := range texts {
		k, v, ok := strings.Cut(t, "=")
		if !ok || k == "" {
			return nil, &QueryError{"a label is written as key=value"}
		}
		out = append(out, Label{k, v})
	}
	return out, nil
}

// IsQueryError reports whether the fault is the query's.
func IsQueryError(err error) bool {
	var q *QueryError
	return errors.As(err, &q)
}
