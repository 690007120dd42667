// Package metric is what the engine counts and measures of itself: a catalogue of metrics, histograms on the way of every statement, and
// where the figures go: OpenTelemetry's metric API, the text that Prometheus scrapes, and a database of their own with roll-ups.
//
// A reading is a metric with its labels and its present value. Readings of counters and histograms are cumulative since the start; what
// happened in an interval is the difference of two.
package metric
