package metric

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The media types of the two texts.
const (
	PrometheusType  = "text/plain; version=0.0.4; charset=utf-8"
	OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// bounds are the upper ends of the buckets that are shown of a histogram. Durations begin at 5 µs, where the fastest statements are; other
// counts end where a bucket of ours does, so that they are exact.
func bounds(d Definition) []int64 {
	if d.Unit == "s" {
		const us, ms, s = 1_000, 1_000_000, 1_000_000_000
		return []int64{5 * us, 10 * us, 25 * us, 50 * us, 100 * us, 250 * us, 500 * us, 1 * ms, 2500 * us, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms,
			500 * ms, 1 * s, 2500 * ms, 5 * s, 10 * s, 30 * s}
	}
	return []int64{0, 1, 3, 7, 15, 31, 63, 127, 255, 1<<10 - 1, 1<<12 - 1, 1<<14 - 1, 1<<16 - 1, 1<<18 - 1, 1<<20 - 1, 1<<24 - 1, 1<<28 - 1}
}

// Write writes readings as the text that Prometheus scrapes, or as OpenMetrics, which has exemplars besides. Metrics that are only stored
// are left out. Names follow OpenTelemetry's rules for Prometheus: dots become underscores, the unit is appended.
func Write(w io.Writer, gather Gather, openMetrics bool) error {
	families := map[ID][]Reading{}
	gather(func(r Reading) {
		if !r.ID.Definition().Stored {
			families[r.ID] = append(families[r.ID], r)
		}
	})
	var b []byte
	for _, id := range All() {
		if readings := families[id]; len(readings) > 0 {
			b = appendFamily(b, id.Definition(), readings, openMetrics)
		}
	}
	if openMetrics {
		b = append(b, "# EOF\n"...)
	}
	_, err := w.Write(b)
	return err
}

// PrometheusName is the metric's name in Prometheus, without the _total, _bucket and so on of its samples.
func (d Definition) PrometheusName() string {
	name := strings.ReplaceAll(d.Name, ".", "_")
	if unit := d.promUnit(); unit != "" && !strings.HasSuffix(name, "_"+unit) {
		name += "_" + unit
	}
	return name
}

func (d Definition) promUnit() string {
	switch d.Unit {
	case "s":
		return "seconds"
	case "By":
		return "bytes"
	}
	return ""
}

func appendFamily(b []byte, d Definition, readings []Reading, open bool) []byte {
	name := d.PrometheusName()
	family := name
	if d.Kind == Counter && !open {
		family += "_total"
	}
	b = fmt.Appendf(b, "# TYPE %s %s\n", family, d.Kind)
	if unit := d.promUnit(); unit != "" && open {
		b = fmt.Appendf(b, "# UNIT %s %s\n", family, unit)
	}
	b = fmt.Appendf(b, "# HELP %s %s\n", family, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(d.Help))
	for i := range readings {
		r := &readings[i]
		switch d.Kind {
		case Counter:
			b = appendSample(b, name+"_total", r.Labels, "", r.Value)
		case Gauge:
			b = appendSample(b, name, r.Labels, "", r.Value)
		case Distribution:
			b = appendHistogram(b, name, d, r, open)
		}
		if d.Kind != Distribution {
			b = append(b, '\n')
		}
	}
	return b
}

func appendHistogram(b []byte, name string, d Definition, r *Reading, open bool) []byte {
	exemplars := slices.Clone(r.Exemplars)
	last := 0.0
	bucket := func(le float64, n int64) {
		b = appendSample(b, name+"_bucket", r.Labels, formatFloat(le), float64(n))
		if i := slices.IndexFunc(exemplars, func(e Exemplar) bool { return e.Value > last && e.Value <= le }); open && i >= 0 {
			e := exemplars[i]
			b = fmt.Appendf(b, ` # {trace_id="%s"} %s %.3f`, e.Trace, formatFloat(e.Value), float64(e.At.UnixMilli())/1000)
		}
		b = append(b, '\n')
		last = le
	}
	for _, end := range bounds(d) {
		bucket(scaled(end, d), r.Histogram.AtMost(end))
	}
	bucket(math.Inf(1), r.Histogram.Count)
	b = append(appendSample(b, name+"_sum", r.Labels, "", float64(r.Histogram.Sum)*d.Scale), '\n')
	return append(appendSample(b, name+"_count", r.Labels, "", float64(r.Histogram.Count)), '\n')
}

// scaled is a bound in the metric's unit, as short as it is written: 5e-06 and no digits that come from the multiplication.
func scaled(end int64, d Definition) float64 {
	if d.Scale == nanoseconds {
		return float64(end) / 1e9
	}
	return float64(end) * d.Scale
}

func appendSample(b []byte, name string, labels []Label, le string, value float64) []byte {
	b = append(b, name...)
	if len(labels) > 0 || le != "" {
		b = append(b, '{')
		for i, l := range labels {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, strings.ReplaceAll(l.Key, ".", "_")...), `="`...)
			b = append(b, strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(l.Value, "\ufffd"))...)
			b = append(b, '"')
		}
		if le != "" {
			if len(labels) > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, `le="`...), le...), '"')
		}
		b = append(b, '}')
	}
	return append(append(b, ' '), formatFloat(value)...)
}

func formatFloat(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
