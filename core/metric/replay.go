package metric

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/engine/core/sqlite"
	"github.com/tidegate/engine/internal/histogram"
	"github.com/tidegate/engine/internal/sidecar"
)

// ReplayStep is the distance in which Replay has what came since from: that of the finest level that reaches back so far, or as far as any. What a process has
// written that looked in another interval than this one has that distance.
//
// # Errors
//
// Those of the file.
func ReplayStep(ctx context.Context, file *sidecar.File, interval time.Duration, from time.Time) (time.Duration, error) {
	l, err := replayLevel(ctx, file, from)
	if err != nil || l.step > 0 {
		return l.stepOf(interval), err
	}
	last, least := int64(0), int64(0)
	err = file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT DISTINCT at FROM raw WHERE at >= ? ORDER BY at LIMIT 1000", []any{from.Unix()}, func(v []sqlite.Value) error {
			if d := v[0].Int - last; last > 0 && (least == 0 || d < least) {
				least = d
			}
			last = v[0].Int
			return nil
		})
	})
	if least == 0 {
		return interval, err
	}
	return time.Duration(least) * time.Second, err
}

func replayLevel(ctx context.Context, file *sidecar.File, from time.Time) (level, error) {
	var oldest [len(levels)]int64
	first := int64(0)
	for i, l := range levels {
		var err error
		if oldest[i], err = oldestOf(ctx, file, l); err != nil {
			return l, err
		}
		if oldest[i] != 0 && (first == 0 || oldest[i] < first) {
			first = oldest[i]
		}
	}
	const tolerance = 3600 // a coarser level begins with a whole hour
	for i, l := range levels {
		if oldest[i] != 0 && oldest[i] <= max(from.Unix(), first)+tolerance {
			return l, nil
		}
	}
	return levels[0], nil
}

// replayed is a series on its way through time.
type replayed struct {
	reading Reading
	at      int64 // when a gauge had its latest value
}

// Replay calls tick with the readings of each step that is stored from one time to another, as a process would have had them that began with the first:
// counters and histograms are since then. Steps of which nothing is stored are left out. wanted chooses metrics by name; step is what ReplayStep says
// of the same file and begin.
//
// # Errors
//
// Those of the file, the context's, and what tick returns.
func Replay(ctx context.Context, file *sidecar.File, step time.Duration, from, to time.Time, wanted func(name string) bool, tick func(at time.Time, readings []Reading) error) error {
	level, err := replayLevel(ctx, file, from)
	if err != nil {
		return err
	}
	series := map[int64]*replayed{}
	if err := replaySeries(ctx, file, wanted, series); err != nil {
		return err
	}
	const chunk = 3600
	seconds := int64(step / time.Second)
	for at := from.Unix() / seconds * seconds; at < to.Unix(); at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(at+chunk, to.Unix())
		values, err := replayChunk(ctx, file, level, at, end, series)
		if err != nil {
			return err
		}
		for _, t := range slices.Sorted(maps.Keys(values)) {
			for i := range values[t] {
				values[t][i].apply()
			}
			if err := tick(time.Unix(t+seconds, 0).UTC(), present(series, t)); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaySeries reads which series there are.
func replaySeries(ctx context.Context, file *sidecar.File, wanted func(string) bool, into map[int64]*replayed) error {
	ids := map[string]ID{}
	for _, id := range All() {
		ids[id.Definition().Name] = id
	}
	return file.Read(ctx, func(c *sqlite.Conn) error {
		return sidecar.Each(c, "SELECT id, name, labels FROM series", nil, func(v []sqlite.Value) error {
			id, known := ids[string(v[1].Bytes)]
			if !known || !wanted(string(v[1].Bytes)) {
				return nil
			}
			var labels map[string]string
			if err := json.Unmarshal(v[2].Bytes, &labels); err != nil {
				return err
			}
			s := &replayed{reading: Reading{ID: id}, at: -1}
			for k, value := range labels {
				s.reading.Labels = append(s.reading.Labels, Label{k, value})
			}
			slices.SortFunc(s.reading.Labels, func(a, b Label) int { return strings.Compare(a.Key, b.Key) })
			into[v[0].Int] = s
			return nil
		})
	})
}

// arrival is what one series has in a step; of a nil one it is only known that the step is there.
type arrival struct {
	of    *replayed
	at    int64
	value float64
	hist  histogram.Snapshot
}

func (a *arrival) apply() {
	if a.of == nil {
		return
	}
	r := &a.of.reading
	a.of.at = a.at
	switch r.ID.Definition().Kind {
	case Counter:
		r.Value += a.value
	case Gauge:
		r.Value = a.value
	default:
		r.Histogram = r.Histogram.Merge(a.hist)
	}
}

// replayChunk reads a piece of time.
func replayChunk(ctx context.Context, file *sidecar.File, level level, from, to int64, series map[int64]*replayed) (map[int64][]arrival, error) {
	out := map[int64][]arrival{}
	value := "value"
	if level.name != "raw" {
		value = "iif(low IS NULL, total, total / samples)"
	}
	err := file.Read(ctx, func(c *sqlite.Conn) error {
		err := sidecar.Each(c, "SELECT at, series, "+value+" FROM "+level.name+" WHERE at >= ? AND at < ?", []any{from, to}, func(v []sqlite.Value) error {
			out[v[0].Int] = append(out[v[0].Int], arrival{of: series[v[1].Int], at: v[0].Int, value: v[2].Float})
			return nil
		})
		if err != nil {
			return err
		}
		return sidecar.Each(c, "SELECT at, series, data FROM "+level.name+"_histogram WHERE at >= ? AND at < ?", []any{from, to}, func(v []sqlite.Value) error {
			s := series[v[1].Int]
			if s == nil {
				return nil
			}
			h, err := histogram.Decode(v[2].Bytes)
			out[v[0].Int] = append(out[v[0].Int], arrival{of: s, at: v[0].Int, hist: h})
			return err
		})
	})
	return out, err
}

// present are the readings at the end of a step: a gauge that has no value in it is not there.
func present(series map[int64]*replayed, at int64) []Reading {
	out := make([]Reading, 0, len(series))
	for _, s := range series {
		if s.at == at || s.at >= 0 && s.reading.ID.Definition().Kind != Gauge {
			out = append(out, s.reading)
		}
	}
	return out
}
