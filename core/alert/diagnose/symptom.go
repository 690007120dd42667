package diagnose

import "slices"

// symptom is a group of rules whose alerts have the same causes.
type symptom struct {
	name  string
	rules []string
	// class is the only class of statements that the alert is about; "" for all.
	class string
	// writer is true where it is about the writer alone.
	writer bool
	// by are the causes that lead to it; nil for all.
	by []string
}

var slowness = []string{"disk_slow", "writer_held", "heavy_write", "foreign_writer", "plan_changed", "data_growth", "skewed_bindings", "cold_cache", "host_slow", "plugin_slow", "load",
	"pool_held"}

// symptoms is the table of the rules that there are by default. What is not in it may be led to by any cause.
var symptoms = []symptom{
	{name: "signals are slow", rules: []string{"SignalLatencyHigh"}, class: "signal", by: slowness},
	{name: "analytics are slow", rules: []string{"AnalyticsSlow"}, class: "analytics", by: slowness},
	{name: "the writer is busy", rules: []string{"WriterBusy"}, writer: true,
		by: []string{"disk_slow", "writer_held", "heavy_write", "foreign_writer", "plan_changed", "data_growth", "skewed_bindings", "host_slow", "plugin_slow", "load"}},
	{name: "calls wait too long", rules: []string{"PoolQueueTimeouts"}, by: append(slices.Clone(slowness), "overloaded")},
	{name: "transactions are ended", rules: []string{"WriterLimits"}, writer: true, by: []string{"writer_held", "heavy_write", "stuck_statement", "plan_changed", "data_growth", "host_slow"}},
	{name: "calls fail", rules: []string{"ErrorRate"},
		by: []string{"caller_errors", "rows_rejected", "device_failed", "disk_full", "file_damaged", "plugin_faults", "overloaded", "foreign_writer", "file_moved"}},
	{name: "a breaker is open", rules: []string{"BreakerOpen"}, by: []string{"device_failed", "disk_full", "cannot_open", "statement_fatal"}},
	{name: "the outcome of a commit is not known", rules: []string{"CommitOutcomeUnknown"}, by: []string{"device_failed", "disk_full", "file_moved"}},
	{name: "the log grows", rules: []string{"WALOverCap", "ReaderPinned"}, by: []string{"long_reader", "foreign_reader", "device_failed", "disk_full", "heavy_write"}},
	{name: "the disk fills", rules: []string{"DiskFullIn24h"}, by: []string{"disk_filling", "long_reader"}},
	{name: "the file is damaged", rules: []string{"IntegrityFailed"}, by: []string{"file_damaged"}},
	{name: "a migration failed", rules: []string{"MigrationFailed"}, by: []string{"migration_failed"}},
	{name: "a plug-in is out of service", rules: []string{"PluginQuarantined"}, by: []string{"plugin_faults"}},
	{name: "telemetry is lost", rules: []string{"TelemetryDropping"}, by: []string{"telemetry_store", "exporter_behind", "load"}},
	{name: "connections are left behind", rules: []string{"ConnectionsLeaked"}, by: []string{"stuck_statement"}},
	{name: "the file was moved", rules: []string{"FileMoved"}, by: []string{"file_moved"}},
}

// anything is the symptom of a rule that is not in the table.
func anything() symptom { return symptom{name: "a rule of the operator's"} }

func symptomOf(rule string) symptom {
	for _, s := range symptoms {
		if slices.Contains(s.rules, rule) {
			return s
		}
	}
	return anything()
}

// led reports whether a cause can lead to it.
func (s symptom) led(c cause) bool { return s.by == nil || slices.Contains(s.by, c.id) }
