package config

import "github.com/tidegate/engine"

func healthSettings() []setting {
	h := func(f func(*engine.HealthConfig) any) func(*Settings) any {
		return func(s *Settings) any { return f(&s.Engine.Health) }
	}
	return []setting{
		{key: "health.disk_free", field: h(func(c *engine.HealthConfig) any { return &c.DiskFree }),
			doc: "How much of the database's file system has to be free: with less, engine health warns, while work goes on; 0 never warns."},
		{key: "health.snapshot_age", field: h(func(c *engine.HealthConfig) any { return &c.SnapshotAge }),
			doc: "How old the oldest snapshot or transaction may get before engine health warns; 0 never warns."},
	}
}
