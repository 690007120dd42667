package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/engine"
)

var statsVerb = verb{name: "stats", summary: "the metrics of a running server as they are now", run: runStats}

const statsExamples = `  engine stats
  engine stats writer                              # those with writer in their name
  engine stats --json | jq '.metrics[] | select(.name == "engine.errors")'

It asks a running ` + "`engine serve`" + `. Counters are since its start; the count, the mean and the percentiles of a histogram are of the latest one to two
intervals (telemetry.interval). For Prometheus there is /metrics, for what was before ` + "`GET /v1/metrics/query`" + ` (docs/observability-metrics.md).
`

// figures is the answer of a server, and what --json prints.
type figures struct {
	Metrics    []engine.MetricSeries   `json:"metrics"`
	Statements []engine.StatementStats `json:"statements"`
}

func runStats(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flags("stats", "[flags] [part of a name]", statsExamples)
	s := remoteFlags(f)
	asJSON := f.Bool("json", false, "print one JSON object")
	positional, code, done := parse(f, args, stdout, stderr)
	if done {
		return code
	}
	if len(positional) > 1 {
		return misuse(stderr, "engine stats", errors.New("takes one part of a name at most"))
	}
	server, err := s.connect()
	if err != nil {
		return failure(stderr, "stats", err)
	}
	var got figures
	if err := server.call(ctx, "/v1/stats", nil, &got); err != nil {
		return failure(stderr, "stats", err)
	}
	if len(positional) == 1 {
		kept := got.Metrics[:0]
		for _, m := range got.Metrics {
			if strings.Contains(m.Name, positional[0]) {
				kept = append(kept, m)
			}
		}
		got.Metrics = kept
	}
	if *asJSON {
		err = json.NewEncoder(stdout).Encode(got)
	} else {
		err = printFigures(stdout, got.Metrics)
	}
	if err != nil {
		return failure(stderr, "stats", err)
	}
	return exitOK
}

func printFigures(w io.Writer, list []engine.MetricSeries) error {
	t := newTable(w, []string{"metric", "labels", "value"})
	for i := range list {
		m := &list[i]
		if err := t.row([]any{m.Name, orDash(labelsOf(m)), figure(m)}); err != nil {
			return err
		}
	}
	return t.end()
}

func labelsOf(m *engine.MetricSeries) string {
	var parts []string
	for k, v := range m.Labels {
		parts = append(parts, k+"="+v)
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}

// figure is the value as a person reads it.
func figure(m *engine.MetricSeries) string {
	if len(m.Points) == 0 {
		return "-"
	}
	p := &m.Points[0]
	if m.Kind != "histogram" {
		return quantity(p.Value, m.Unit)
	}
	if p.Count == 0 || len(p.Quantiles) < 3 {
		return "nothing lately"
	}
	return fmt.Sprintf("%d, p50 %s, p95 %s, p99 %s", p.Count, quantity(p.Quantiles[0], m.Unit), quantity(p.Quantiles[1], m.Unit), quantity(p.Quantiles[2], m.Unit))
}

func quantity(v float64, unit string) string {
	switch unit {
	case "s":
		return rounded(time.Duration(v * float64(time.Second))).String()
	case "By":
		return bytesText(v)
	}
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// rounded keeps three digits.
func rounded(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

func bytesText(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return strconv.FormatFloat(v, 'f', min(i, 1), 64) + " " + units[i]
}
