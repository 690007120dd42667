package config

import "github.com/tidegate/engine"

func telemetrySettings() []setting {
	t := func(f func(*engine.TelemetryConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Telemetry) }
	}
	slow := func(f func(*engine.SlowConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Telemetry.Slow) }
	}
	return []setting{
		{key: "telemetry.measure", field: t(func(c *engine.TelemetryConfig) any { return &c.Measure }),
			doc: "Count and time what happens: metrics, and the slow log. Without it nothing below means anything."},
		{key: "telemetry.store", field: t(func(c *engine.TelemetryConfig) any { return &c.Store }),
			doc: "Keep metrics and slow statements in a database of their own. A Go program that uses engine.DefaultConfig has false."},
		{key: "telemetry.path", field: t(func(c *engine.TelemetryConfig) any { return &c.Path }),
			doc: `The file of that database. Empty is the database's path with ".telemetry.db" behind it; a database in memory or opened read only stores nothing then.`},
		{key: "telemetry.interval", field: t(func(c *engine.TelemetryConfig) any { return &c.Interval }),
			doc: "How often metrics are looked at: whole seconds that divide a minute."},
		{key: "telemetry.limit", field: t(func(c *engine.TelemetryConfig) any { return &c.Limit }),
			doc: "The size that the telemetry database keeps to; what is oldest goes."},
		{key: "telemetry.slow.log", field: slow(func(c *engine.SlowConfig) any { return &c.Log }),
			doc: "Log statements that are slow, or inefficient though still fast."},
		{key: "telemetry.slow.signal", field: slow(func(c *engine.SlowConfig) any { return &c.Signal }),
			doc: "How long a statement of the class signal may take before it is logged; 0 logs each. Unless both are set it is trace.slow.signal too, and follows that, as the next two do theirs."},
		{key: "telemetry.slow.analytics", field: slow(func(c *engine.SlowConfig) any { return &c.Analytics }),
			doc: "The same for the class analytics."},
		{key: "telemetry.slow.other", field: slow(func(c *engine.SlowConfig) any { return &c.Other }),
			doc: "The same for all other classes."},
		{key: "telemetry.slow.bindings", field: slow(func(c *engine.SlowConfig) any { return &c.Bindings }), words: []string{"none", "shape", "hash", "full"},
			doc: "What the slow log writes down of bound values: nothing, types and lengths, a keyed hash that tells equal values within one run, or the values."},
	}
}
